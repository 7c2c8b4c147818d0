import { inUse } from '../x87/xsave-in-use';
import type { DecodedRecord } from '../decode/decoded-record';
import { CONTROL, DESCRIPTOR_TABLES, FLAGS, GPR, MSRS } from '../state/layout';
import { cpuid as cpuidLeaf } from '../tables/cpuid';
import { CR4, RFLAGS } from '../tables/control-registers';
import { APIC_BASE, MISC_ENABLE } from '../tables/msrs';
import { supportedXcr0 } from '../tables/xsave-components';
import { COLD, type ColdInstruction, type ColdResult } from './cold';
import { raise, VECTOR } from './faults';
import { readPerformanceCounter } from './pmu';
import { readMsr, timeStamp, writeMsr } from './msr-access';
import {
  operandLinear,
  readRegister,
  requireCpl0,
  requireProtected,
  requireVisible,
  writeDestination,
  writeRegister,
} from './operands';
import { type Processor, SEG } from './processor';
import { RAX, RBX, RCX, RDX } from './registers';
import { currentStack, pointerBits, setStackPointer, StackReader } from './stack';

const ud: ColdInstruction = () => raise(VECTOR.UD);

function cpuid(cpu: Processor, insn: DecodedRecord): ColdResult {
  if (cpu.vmx.plainExits('CPUID', insn)) return COLD.EXITED;
  // SDM "Determining the Signature": leaf 1 loads the microcode's revision.
  if (cpu.gpr32(RAX) === 1) cpu.setField(MSRS.biosSignature, BigInt(cpu.model.microcode) << 32n);
  const cr4 = Number(cpu.cr4);
  const enabled = cpu.field(MSRS.miscEnable);
  const result = cpuidLeaf(cpu.model, cpu.gpr32(RAX), cpu.gpr32(RCX), {
    processor: cpu.number,
    processors: cpu.processors,
    cr4: { osxsave: (cr4 & CR4.OSXSAVE) !== 0, pke: (cr4 & CR4.PKE) !== 0 },
    apicEnabled: (cpu.field(MSRS.apicBase) & APIC_BASE.enable) !== 0n,
    is64Bit: cpu.is64Bit,
    xcr0: cpu.field32(CONTROL.xcr0),
    xss: cpu.field32(MSRS.xss),
    limited: (enabled & MISC_ENABLE.LIMIT_CPUID) !== 0n,
    xdDisabled: (enabled & MISC_ENABLE.XD_DISABLE) !== 0n,
    monitorEnabled: (enabled & MISC_ENABLE.MONITOR) !== 0n,
  });
  cpu.setGpr32(RAX, result.eax);
  cpu.setGpr32(RBX, result.ebx);
  cpu.setGpr32(RCX, result.ecx);
  cpu.setGpr32(RDX, result.edx);
  return COLD.NEXT;
}

function setEdxEax(cpu: Processor, value: bigint): void {
  cpu.setGpr(RAX, value & 0xffff_ffffn);
  cpu.setGpr(RDX, BigInt.asUintN(64, value) >> 32n);
}
const edxEax = (cpu: Processor): bigint => (BigInt(cpu.gpr32(RDX)) << 32n) | BigInt(cpu.gpr32(RAX));

function rdmsr(cpu: Processor, insn: DecodedRecord): ColdResult {
  requireCpl0(cpu);
  const index = cpu.gpr32(RCX);
  cpu.vmx.msr(index, false, insn);
  setEdxEax(cpu, readMsr(cpu, index, cpu.timeAt(insn)));
  return COLD.NEXT;
}

function wrmsr(cpu: Processor, insn: DecodedRecord): ColdResult {
  requireCpl0(cpu);
  const index = cpu.gpr32(RCX);
  cpu.vmx.msr(index, true, insn);
  writeMsr(cpu, index, edxEax(cpu), cpu.timeAt(insn));
  return COLD.LEAVE;
}

function requireTsc(cpu: Processor): void {
  if (cpu.cpl !== 0 && (cpu.cr4 & BigInt(CR4.TSD)) !== 0n) raise(VECTOR.GP, 0);
}

function rdtsc(cpu: Processor, insn: DecodedRecord): ColdResult {
  requireTsc(cpu);
  cpu.vmx.plain('RDTSC', insn);
  setEdxEax(cpu, timeStamp(cpu, cpu.timeAt(insn)));
  return COLD.NEXT;
}

function rdtscp(cpu: Processor, insn: DecodedRecord): ColdResult {
  cpu.vmx.requireEnabled('RDTSCP');
  requireTsc(cpu);
  cpu.vmx.plain('RDTSCP', insn);
  setEdxEax(cpu, timeStamp(cpu, cpu.timeAt(insn)));
  cpu.setGpr(RCX, cpu.field(MSRS.tscAux) & 0xffff_ffffn);
  return COLD.NEXT;
}

function rdpmc(cpu: Processor, insn: DecodedRecord): ColdResult {
  if (cpu.cpl !== 0 && (cpu.cr4 & BigInt(CR4.PCE)) === 0n) raise(VECTOR.GP, 0);
  cpu.vmx.plain('RDPMC', insn);
  setEdxEax(cpu, readPerformanceCounter(cpu, cpu.gpr32(RCX), cpu.timeAt(insn)));
  return COLD.NEXT;
}

function rdpid(cpu: Processor, insn: DecodedRecord): ColdResult {
  cpu.vmx.requireEnabled('RDTSCP');
  writeRegister(cpu, insn.d, insn.size, cpu.field(MSRS.tscAux));
  return COLD.NEXT;
}

function requireOsxsave(cpu: Processor): void {
  if ((cpu.cr4 & BigInt(CR4.OSXSAVE)) === 0n) raise(VECTOR.UD);
}

/** With ECX = 1: of what XCR0 enables, that which is not in its initial state. */
function xgetbv(cpu: Processor): ColdResult {
  requireOsxsave(cpu);
  const register = cpu.gpr32(RCX);
  if (register !== 0 && !(register === 1 && cpu.model.features.has('xgetbv1'))) raise(VECTOR.GP, 0);
  const enabled = cpu.field(CONTROL.xcr0);
  setEdxEax(cpu, register === 0 ? enabled : enabled & BigInt(inUse(cpu)));
  return COLD.NEXT;
}

const XCR0_SSE_AND_AVX = 6n;
const XCR0_AVX = 4n;

function xsetbv(cpu: Processor, insn: DecodedRecord): ColdResult {
  requireOsxsave(cpu);
  requireCpl0(cpu);
  cpu.vmx.plain('XSETBV', insn);
  const value = edxEax(cpu);
  const refused =
    cpu.gpr32(RCX) !== 0 ||
    (value & 1n) === 0n ||
    (value & ~BigInt(supportedXcr0(cpu.model.features))) !== 0n ||
    (value & XCR0_SSE_AND_AVX) === XCR0_AVX;
  if (refused) raise(VECTOR.GP, 0);
  cpu.setField(CONTROL.xcr0, value);
  return COLD.LEAVE;
}

/** LGDT and LIDT. */
const loadTable =
  (name: 'LGDT' | 'LIDT', base: number, limit: number): ColdInstruction =>
  (cpu, insn) => {
    requireCpl0(cpu);
    cpu.vmx.plain(name, insn);
    const wide = cpu.is64Bit ? 8 : 4;
    const newLimit = cpu.mmu.read(operandLinear(cpu, insn, 2, false), 2);
    let newBase = cpu.mmu.read(operandLinear(cpu, insn, wide, false, 2n), wide);
    if (!cpu.is64Bit && insn.size === 2) newBase &= 0xff_ffffn;
    if (!cpu.isCanonicalBase(newBase)) raise(VECTOR.GP, 0);
    cpu.setField(base, newBase);
    cpu.setField32(limit, Number(newLimit));
    return COLD.LEAVE;
  };

/** SGDT and SIDT. */
const storeTable =
  (name: 'SGDT' | 'SIDT', base: number, limit: number): ColdInstruction =>
  (cpu, insn) => {
    requireVisible(cpu);
    cpu.vmx.plain(name, insn);
    const wide = cpu.is64Bit ? 8 : 4;
    const limitAt = operandLinear(cpu, insn, 2, true);
    const baseAt = operandLinear(cpu, insn, wide, true, 2n);
    cpu.mmu.probeWrite(baseAt, wide);
    cpu.mmu.write(limitAt, 2, BigInt(cpu.field32(limit)));
    cpu.mmu.write(baseAt, wide, cpu.field(base));
    return COLD.NEXT;
  };

const storeSelector =
  (name: 'SLDT' | 'STR', segment: number): ColdInstruction =>
  (cpu, insn) => {
    requireProtected(cpu);
    requireVisible(cpu);
    cpu.vmx.plain(name, insn);
    writeDestination(cpu, insn, BigInt(cpu.selector(segment)), 2);
    return COLD.NEXT;
  };

function pause(cpu: Processor, insn: DecodedRecord): ColdResult {
  cpu.vmx.plain('PAUSE', insn);
  if (cpu.processors === 1) return COLD.NEXT;
  cpu.yielding = true;
  return COLD.LEAVE;
}

/** RSM outside SMM. */
const rsm: ColdInstruction = () => raise(VECTOR.UD);

function swapgs(cpu: Processor): ColdResult {
  if (!cpu.is64Bit) raise(VECTOR.UD);
  requireCpl0(cpu);
  const old = cpu.base(SEG.GS);
  cpu.setBase(SEG.GS, cpu.field(MSRS.kernelGsBase));
  cpu.setField(MSRS.kernelGsBase, old);
  return COLD.NEXT;
}

function requireFsGsBase(cpu: Processor): void {
  if (!cpu.is64Bit || (cpu.cr4 & BigInt(CR4.FSGSBASE)) === 0n) raise(VECTOR.UD);
}
const readBase =
  (segment: number): ColdInstruction =>
  (cpu, insn) => {
    requireFsGsBase(cpu);
    writeRegister(cpu, insn.d, insn.size, cpu.base(segment));
    return COLD.NEXT;
  };
const writeBase =
  (segment: number): ColdInstruction =>
  (cpu, insn) => {
    requireFsGsBase(cpu);
    const value = readRegister(cpu, insn.s, insn.size);
    if (!cpu.isCanonicalBase(value)) raise(VECTOR.GP, 0);
    cpu.setBase(segment, value);
    return COLD.NEXT;
  };

const setAc =
  (value: boolean): ColdInstruction =>
  (cpu) => {
    if (cpu.cpl !== 0) raise(VECTOR.UD);
    const system = cpu.field32(FLAGS.system);
    cpu.setField32(FLAGS.system, value ? system | RFLAGS.AC : system & ~RFLAGS.AC);
    cpu.mmu.contextChanged();
    return COLD.LEAVE;
  };

function pushad(cpu: Processor, insn: DecodedRecord): ColdResult {
  const size = insn.size === 2 ? 2 : 4;
  const bits = pointerBits(currentStack(cpu));
  const top = cpu.gpr(4);
  const linear = (i: number): bigint =>
    cpu.mmu.linear(SEG.SS, BigInt.asUintN(bits, top - BigInt(size * (i + 1))), size, true, 4);
  const addresses = [0, 1, 2, 3, 4, 5, 6, 7].map(linear);
  for (const address of addresses) cpu.mmu.probeWrite(address, size);
  addresses.forEach((address, i) => cpu.mmu.write(address, size, cpu.gpr(i)));
  setStackPointer(cpu, top - BigInt(size * 8));
  return COLD.NEXT;
}

function popad(cpu: Processor, insn: DecodedRecord): ColdResult {
  const size = insn.size === 2 ? 2 : 4;
  const stack = new StackReader(cpu, size);
  const values = [7, 6, 5, 4, 3, 2, 1, 0].map((number) => ({ number, value: stack.pop() }));
  for (const { number, value } of values) if (number !== 4) writeRegister(cpu, GPR + number * 8, size, value);
  setStackPointer(cpu, stack.pointer);
  return COLD.NEXT;
}

function bound(cpu: Processor, insn: DecodedRecord): ColdResult {
  const size = insn.size === 2 ? 2 : 4;
  const bits = size * 8;
  const lower = BigInt.asIntN(bits, cpu.mmu.read(operandLinear(cpu, insn, size, false), size));
  const upper = BigInt.asIntN(bits, cpu.mmu.read(operandLinear(cpu, insn, size, false, BigInt(size)), size));
  const index = BigInt.asIntN(bits, readRegister(cpu, insn.d, size));
  if (index < lower || index > upper) raise(VECTOR.BR);
  return COLD.NEXT;
}

export const SYSTEM_INSTRUCTIONS: Readonly<Record<string, ColdInstruction>> = {
  ud,
  cpuid,
  rdmsr,
  wrmsr,
  rdtsc,
  rdtscp,
  rdpmc,
  rdpid,
  lgdt: loadTable('LGDT', DESCRIPTOR_TABLES.gdtrBase, DESCRIPTOR_TABLES.gdtrLimit),
  lidt: loadTable('LIDT', DESCRIPTOR_TABLES.idtrBase, DESCRIPTOR_TABLES.idtrLimit),
  sgdt: storeTable('SGDT', DESCRIPTOR_TABLES.gdtrBase, DESCRIPTOR_TABLES.gdtrLimit),
  sidt: storeTable('SIDT', DESCRIPTOR_TABLES.idtrBase, DESCRIPTOR_TABLES.idtrLimit),
  sldt: storeSelector('SLDT', SEG.LDTR),
  str: storeSelector('STR', SEG.TR),
  pause,
  rsm,
  xgetbv,
  xsetbv,
  swapgs,
  rdfsbase: readBase(SEG.FS),
  rdgsbase: readBase(SEG.GS),
  wrfsbase: writeBase(SEG.FS),
  wrgsbase: writeBase(SEG.GS),
  stac: setAc(true),
  clac: setAc(false),
  pushad,
  popad,
  bound,
};
