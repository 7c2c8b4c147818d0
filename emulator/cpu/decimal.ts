import type { DecodedRecord } from '../decode/decoded-record';
import { GPR } from '../state/layout';
import { ARITHMETIC_FLAGS, RFLAGS } from '../tables/control-registers';
import { COLD, type ColdInstruction, type ColdResult } from './cold';
import { raise, VECTOR } from './faults';
import type { Processor } from './processor';

const parity = (byte: number): boolean => {
  const folded = byte ^ (byte >> 4);
  return ((0x9669 >> (folded & 15)) & 1) !== 0;
};

/** SF, ZF and PF of a byte, with the carries given; OF is undefined and cleared. */
function setFlags(cpu: Processor, result: number, carry: boolean, adjust: boolean): void {
  const kept = cpu.rflags & ~ARITHMETIC_FLAGS;
  cpu.rflags =
    kept |
    (carry ? RFLAGS.CF : 0) |
    (adjust ? RFLAGS.AF : 0) |
    (parity(result) ? RFLAGS.PF : 0) |
    (result === 0 ? RFLAGS.ZF : 0) |
    (result & 0x80 ? RFLAGS.SF : 0);
}

const al = (cpu: Processor): number => cpu.memory.u8[GPR];
const ah = (cpu: Processor): number => cpu.memory.u8[GPR + 1];
const setAx = (cpu: Processor, value: number): void => cpu.memory.view.setUint16(GPR, value, true);

/** DAA and DAS: `sign` is +1 or -1. */
const decimal =
  (sign: 1 | -1): ColdInstruction =>
  (cpu) => {
    const old = al(cpu);
    const oldCarry = (cpu.rflags & RFLAGS.CF) !== 0;
    const adjust = (old & 15) > 9 || (cpu.rflags & RFLAGS.AF) !== 0;
    let value = old;
    let carry = false;
    if (adjust) {
      value += 6 * sign;
      carry = oldCarry || value < 0 || value > 0xff;
    }
    if (old > 0x99 || oldCarry) {
      value += 0x60 * sign;
      carry = true;
    } else if (sign > 0) carry = false;
    value &= 0xff;
    cpu.memory.u8[GPR] = value;
    setFlags(cpu, value, carry, adjust);
    return COLD.NEXT;
  };

/** AAA and AAS. */
const ascii =
  (sign: 1 | -1): ColdInstruction =>
  (cpu) => {
    const adjust = (al(cpu) & 15) > 9 || (cpu.rflags & RFLAGS.AF) !== 0;
    const word = al(cpu) | (ah(cpu) << 8);
    const moved = adjust ? word + 0x106 * sign : word;
    setAx(cpu, moved & 0xff0f);
    setFlags(cpu, moved & 15, adjust, adjust);
    return COLD.NEXT;
  };

function aam(cpu: Processor, insn: DecodedRecord): ColdResult {
  const base = Number(insn.imm & 0xffn);
  if (base === 0) raise(VECTOR.DE);
  const value = al(cpu);
  setAx(cpu, (Math.floor(value / base) << 8) | (value % base));
  setFlags(cpu, value % base, false, false);
  return COLD.NEXT;
}

function aad(cpu: Processor, insn: DecodedRecord): ColdResult {
  const value = (al(cpu) + ah(cpu) * Number(insn.imm & 0xffn)) & 0xff;
  setAx(cpu, value);
  setFlags(cpu, value, false, false);
  return COLD.NEXT;
}

/** Decimal arithmetic of the legacy modes. */
export const DECIMAL_INSTRUCTIONS: Readonly<Record<string, ColdInstruction>> = {
  daa: decimal(1),
  das: decimal(-1),
  aaa: ascii(1),
  aas: ascii(-1),
  aam,
  aad,
};
