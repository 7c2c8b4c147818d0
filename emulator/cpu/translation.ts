import type { DecodedRecord } from '../decode/decoded-record';
import { CONTROL, PKRU } from '../state/layout';
import { CR4, RFLAGS } from '../tables/control-registers';
import type { PcidInvalidation } from '../mmu/mmu';
import { COLD, type ColdInstruction, type ColdResult } from './cold';
import { raise, VECTOR } from './faults';
import { operandLinear, operandOffset, readRegister, requireCpl0 } from './operands';
import { type Processor, SEG } from './processor';
import { RAX, RCX, RDX } from './registers';

const PCID_BITS = 12n;
/** By type. */
const INVALIDATIONS: readonly PcidInvalidation[] = ['address', 'context', 'all', 'all-but-global'];

function invlpg(cpu: Processor, insn: DecodedRecord): ColdResult {
  requireCpl0(cpu);
  const based = !cpu.is64Bit || insn.segment >= SEG.FS;
  const base = based ? cpu.base(insn.segment) : 0n;
  const linear = BigInt.asUintN(cpu.is64Bit ? 64 : 32, operandOffset(cpu, insn) + base);
  cpu.vmx.invlpg(linear, insn);
  cpu.mmu.invalidatePage(linear);
  return COLD.LEAVE;
}

/** INVPCID: the register names the type; the descriptor holds the PCID, 52 zero bits and the linear address. */
function invpcid(cpu: Processor, insn: DecodedRecord): ColdResult {
  cpu.vmx.requireEnabled('INVPCID');
  if ((cpu.rflags & RFLAGS.VM) !== 0) raise(VECTOR.GP, 0);
  requireCpl0(cpu);
  cpu.vmx.plain('INVPCID', insn);
  const type = readRegister(cpu, insn.d, cpu.is64Bit ? 8 : 4);
  const at = operandLinear(cpu, insn, 16, false);
  const pcid = cpu.mmu.read(at, 8);
  const linear = cpu.mmu.read(BigInt.asUintN(cpu.is64Bit ? 64 : 32, at + 8n), 8);
  if (type >= INVALIDATIONS.length) raise(VECTOR.GP, 0);
  if (pcid >> PCID_BITS !== 0n) raise(VECTOR.GP, 0);
  const kind = INVALIDATIONS[Number(type)];
  const named = kind === 'address' || kind === 'context';
  if (named && pcid !== 0n && (cpu.cr4 & BigInt(CR4.PCIDE)) === 0n) raise(VECTOR.GP, 0);
  if (kind === 'address' && !cpu.isCanonicalBase(linear)) raise(VECTOR.GP, 0);
  cpu.mmu.invalidatePcid(kind, Number(pcid), linear);
  return COLD.LEAVE;
}

/** RDPKRU and WRPKRU, at any privilege level. */
function requireKeys(cpu: Processor): void {
  if ((cpu.field32(CONTROL.cr4) & CR4.PKE) === 0) raise(VECTOR.UD);
  if (cpu.gpr32(RCX) !== 0) raise(VECTOR.GP, 0);
}

function rdpkru(cpu: Processor): ColdResult {
  requireKeys(cpu);
  cpu.setGpr32(RAX, cpu.field32(PKRU));
  cpu.setGpr32(RDX, 0);
  return COLD.NEXT;
}

function wrpkru(cpu: Processor): ColdResult {
  requireKeys(cpu);
  if (cpu.gpr32(RDX) !== 0) raise(VECTOR.GP, 0);
  cpu.setField32(PKRU, cpu.gpr32(RAX));
  cpu.mmu.contextChanged();
  return COLD.NEXT;
}

/** Instructions about the translations of linear addresses and what guards them. */
export const TRANSLATION_INSTRUCTIONS: Readonly<Record<string, ColdInstruction>> = {
  invlpg,
  invpcid,
  rdpkru,
  wrpkru,
};
