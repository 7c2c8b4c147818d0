import type { DecodedRecord } from '../decode/decoded-record';
import { SEG, type Processor } from './processor';
import { COLD, type ColdInstruction, type ColdResult } from './cold';
import { raise, VECTOR } from './faults';
import type { PlainIntercept } from './intercepts';
import { operandLinear, readRegister, requireCpl0 } from './operands';

const DIRECT_STORE_BYTES = 64;

/** CLFLUSH, CLFLUSHOPT, CLWB: there is no cache to write back, but they fault as a load of a byte does. */
function cacheLine(cpu: Processor, insn: DecodedRecord): ColdResult {
  cpu.mmu.read(operandLinear(cpu, insn, 1, false), 1);
  return COLD.NEXT;
}

/** INVD, WBINVD and WBNOINVD. */
const wholeCache =
  (name: PlainIntercept): ColdInstruction =>
  (cpu, insn) => {
    requireCpl0(cpu);
    cpu.vmx.plain(name, insn);
    return COLD.NEXT;
  };

/** MOVDIR64B: 64 bytes from memory to the aligned address in a register, in ES, at once. */
function directStore(cpu: Processor, insn: DecodedRecord): ColdResult {
  const source = operandLinear(cpu, insn, DIRECT_STORE_BYTES, false);
  const parts = Array.from({ length: DIRECT_STORE_BYTES / 8 }, (_, i) => BigInt(i * 8));
  const values = parts.map((at) => cpu.mmu.read(source + at, 8));
  const offset = readRegister(cpu, insn.d, insn.addressSize);
  const target = cpu.mmu.linear(SEG.ES, offset, DIRECT_STORE_BYTES, true, insn.addressSize);
  if (target % BigInt(DIRECT_STORE_BYTES) !== 0n) raise(VECTOR.GP, 0);
  cpu.mmu.probeWrite(target, DIRECT_STORE_BYTES);
  parts.forEach((at, i) => cpu.mmu.write(target + at, 8, values[i]));
  return COLD.NEXT;
}

export const CACHE_INSTRUCTIONS: Readonly<Record<string, ColdInstruction>> = {
  cache_line: cacheLine,
  invd: wholeCache('INVD'),
  wbinvd: wholeCache('WBINVD'),
  movdir64b: directStore,
};
