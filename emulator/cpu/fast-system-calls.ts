import type { DecodedRecord } from '../decode/decoded-record';
import { BOUNDARY, MSRS } from '../state/layout';
import { EFER, RFLAGS } from '../tables/control-registers';
import { PENDING_DEBUG } from '../tables/debug-bits';
import { COLD, type ColdInstruction, type ColdResult } from './cold';
import { ACCESS_RIGHTS } from './descriptors';
import { raise, VECTOR } from './faults';
import { hasProtection } from './modes';
import { type Processor, SEG } from './processor';
import { R11, RCX, RDX, RSP } from './registers';

const FLAT_CODE = { base: 0n, limit: 0xffff_ffff } as const;

/** Present, accessed, readable code; granular. */
const CODE_ACCESS = 0x809b;
/** Present, accessed, writable data; 32-bit, granular. */
const DATA_ACCESS = 0xc093;

/** Loads the fixed flat segments of a fast system call or return. */
function loadFlat(cpu: Processor, cs: number, ss: number, cpl: number, long: boolean): void {
  const bits = long ? ACCESS_RIGHTS.LONG : ACCESS_RIGHTS.BIG;
  cpu.setSegment(SEG.CS, cs, FLAT_CODE.base, FLAT_CODE.limit, CODE_ACCESS | bits | (cpl << 5));
  cpu.setSegment(SEG.SS, ss, FLAT_CODE.base, FLAT_CODE.limit, DATA_ACCESS | (cpl << 5));
}

/** TF as SYSCALL and SYSRET leave it decides on the trap behind them, so that FMASK can keep it out of the kernel. */
function trapByNewFlags(cpu: Processor): void {
  cpu.trapSuppressed = true;
  if ((cpu.rflags & RFLAGS.TF) === 0) return;
  cpu.setField(BOUNDARY.pendingDebug, cpu.field(BOUNDARY.pendingDebug) | BigInt(PENDING_DEBUG.BS));
}

function syscall(cpu: Processor, insn: DecodedRecord): ColdResult {
  if (!cpu.is64Bit || (cpu.efer & BigInt(EFER.SCE)) === 0n) raise(VECTOR.UD);
  const selectors = Number((cpu.field(MSRS.star) >> 32n) & 0xffffn);
  cpu.setGpr(RCX, cpu.nextRipOf(insn));
  cpu.setGpr(R11, BigInt(cpu.rflags & ~RFLAGS.RF));
  cpu.rip = cpu.field(MSRS.lstar);
  cpu.rflags = cpu.rflags & ~Number(cpu.field(MSRS.fmask) & 0xffff_ffffn) & ~RFLAGS.RF;
  loadFlat(cpu, selectors & 0xfffc, (selectors + 8) & 0xffff, 0, true);
  trapByNewFlags(cpu);
  cpu.mmu.contextChanged();
  return COLD.JUMPED;
}

const SYSRET_FLAGS = 0x3c_7fd7;

function sysret(cpu: Processor, insn: DecodedRecord): ColdResult {
  if (!cpu.is64Bit || (cpu.efer & BigInt(EFER.SCE)) === 0n) raise(VECTOR.UD);
  if (cpu.cpl !== 0) raise(VECTOR.GP, 0);
  const long = insn.size === 8;
  const target = cpu.gpr(RCX);
  if (long && !cpu.isCanonical(target)) raise(VECTOR.GP, 0);
  const selectors = Number(cpu.field(MSRS.star) >> 48n);
  cpu.rip = long ? target : target & 0xffff_ffffn;
  cpu.rflags = (Number(cpu.gpr(R11) & 0xffff_ffffn) & SYSRET_FLAGS) | 2;
  loadFlat(cpu, ((selectors + (long ? 16 : 0)) | 3) & 0xffff, ((selectors + 8) | 3) & 0xffff, 3, long);
  trapByNewFlags(cpu);
  cpu.mmu.contextChanged();
  return COLD.JUMPED;
}

function sysenter(cpu: Processor): ColdResult {
  const cs = Number(cpu.field(MSRS.sysenterCs) & 0xffffn);
  if (!hasProtection(cpu) || (cs & 0xfffc) === 0) raise(VECTOR.GP, 0);
  const long = cpu.longMode;
  cpu.rflags = cpu.rflags & ~(RFLAGS.VM | RFLAGS.IF | RFLAGS.RF);
  const width = long ? 64 : 32;
  cpu.setGpr(RSP, BigInt.asUintN(width, cpu.field(MSRS.sysenterEsp)));
  cpu.rip = BigInt.asUintN(width, cpu.field(MSRS.sysenterEip));
  loadFlat(cpu, cs & 0xfffc, ((cs & 0xfffc) + 8) & 0xffff, 0, long);
  cpu.mmu.contextChanged();
  return COLD.JUMPED;
}

function sysexit(cpu: Processor, insn: DecodedRecord): ColdResult {
  const cs = Number(cpu.field(MSRS.sysenterCs) & 0xffffn);
  if (!hasProtection(cpu) || cpu.cpl !== 0 || (cs & 0xfffc) === 0) raise(VECTOR.GP, 0);
  const long = insn.size === 8;
  if (long && !(cpu.isCanonical(cpu.gpr(RCX)) && cpu.isCanonical(cpu.gpr(RDX)))) raise(VECTOR.GP, 0);
  const width = long ? 64 : 32;
  const offset = long ? 32 : 16;
  cpu.rip = BigInt.asUintN(width, cpu.gpr(RDX));
  cpu.setGpr(RSP, BigInt.asUintN(width, cpu.gpr(RCX)));
  loadFlat(cpu, ((cs + offset) | 3) & 0xffff, ((cs + offset + 8) | 3) & 0xffff, 3, long);
  cpu.mmu.contextChanged();
  return COLD.JUMPED;
}

export const FAST_CALL_INSTRUCTIONS: Readonly<Record<string, ColdInstruction>> = {
  syscall,
  sysret,
  sysenter,
  sysexit,
};
