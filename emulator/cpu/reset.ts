import {
  BOUNDARY,
  CONTROL,
  DESCRIPTOR_TABLES,
  FLAGS,
  GPR,
  MSRS,
  SEGMENT_ORDER,
  VMX,
  MXCSR,
  PKRU,
  X87,
  YMM,
  YMM_SIZE,
} from '../state/layout';
import { initializeX87, MXCSR_INITIAL } from '../x87/save-image';
import { ACTIVITY } from '../tables/boundary-state';
import { DR6, DR7 } from '../tables/debug-bits';
import { APIC_BASE, msrsOf } from '../tables/msrs';
import { processorSignature } from '../tables/cpuid';
import { resetPerformanceMonitoring } from './pmu';
import { type Processor, SEG } from './processor';
import { endMonitoring } from './waits';
import { RDX } from './registers';

const ALL_ONES = 0xffff_ffff_ffff_ffffn;

/**
 * Architectural state after power-up or INIT, SDM "Processor State After Reset". INIT keeps MSRs, XCR0, CD and NW, and the TSC.
 * Image loaders then set the entry state of their own protocol.
 */
export function resetProcessor(cpu: Processor, kind: 'power-up' | 'init' = 'power-up'): void {
  const { memory } = cpu;
  for (let i = 0; i < 16; i++) memory.u64[(GPR >> 3) + i] = 0n;
  cpu.setGpr(RDX, BigInt(processorSignature(cpu.model)));
  memory.u64[FLAGS.kind >> 3] = 0n;
  cpu.rflags = 2;
  cpu.rip = 0xfff0n;
  for (let i = 0; i < SEGMENT_ORDER.length; i++) cpu.setSegment(i, 0, 0n, 0xffff, 0x93);
  cpu.setSegment(SEG.CS, 0xf000, 0xffff_0000n, 0xffff, 0x9b);
  cpu.setSegment(SEG.LDTR, 0, 0n, 0xffff, 0x82);
  cpu.setSegment(SEG.TR, 0, 0n, 0xffff, 0x8b);
  cpu.setField(DESCRIPTOR_TABLES.gdtrBase, 0n);
  cpu.setField(DESCRIPTOR_TABLES.idtrBase, 0n);
  cpu.setField32(DESCRIPTOR_TABLES.gdtrLimit, 0xffff);
  cpu.setField32(DESCRIPTOR_TABLES.idtrLimit, 0xffff);
  const caching = kind === 'init' ? cpu.cr0 & 0x6000_0000n : 0x6000_0000n;
  cpu.setField(CONTROL.cr0, 0x10n | caching);
  cpu.setField(CONTROL.cr2, 0n);
  cpu.setField(CONTROL.cr3, 0n);
  cpu.setField(CONTROL.cr4, 0n);
  cpu.setField(CONTROL.efer, 0n);
  for (let i = 0; i < 6; i++) cpu.setField(CONTROL.dr + i * 8, 0n);
  cpu.setField(CONTROL.dr + 48, BigInt(DR6.INITIAL));
  cpu.setField(CONTROL.dr + 56, BigInt(DR7.INITIAL));
  for (let i = 0; i < 4; i++) cpu.setField(CONTROL.pdpte + i * 8, 0n);
  if (kind === 'power-up') {
    cpu.setField(CONTROL.xcr0, 1n);
    resetFloatingPoint(cpu);
    resetMsrs(cpu);
  }
  const startsUp = (cpu.field(MSRS.apicBase) & APIC_BASE.bootstrap) !== 0n;
  cpu.setField32(BOUNDARY.activity, startsUp ? ACTIVITY.ACTIVE : ACTIVITY.WAIT_FOR_SIPI);
  cpu.setField32(BOUNDARY.interruptibility, 0);
  cpu.setField(BOUNDARY.pendingDebug, 0n);
  cpu.delivering = undefined;
  cpu.faultChain.length = 0;
  cpu.mmu.flushVpid(undefined);
  cpu.mmu.contextChanged();
}

/** x87, vector and protection-key state, which INIT leaves alone. The x87 is not as FNINIT makes it: zeros in every register, tagged as such. */
function resetFloatingPoint(cpu: Processor): void {
  const { memory } = cpu;
  initializeX87(cpu);
  memory.view.setUint16(X87.control, 0x40, true);
  memory.view.setUint16(X87.tag, 0xff, true);
  memory.u8.fill(0, YMM, YMM + 16 * YMM_SIZE);
  cpu.setField32(MXCSR, MXCSR_INITIAL);
  cpu.setField32(PKRU, 0);
}

function resetMsrs(cpu: Processor): void {
  for (const msr of msrsOf(cpu.model).values()) if (msr.kind === 'stored') cpu.setField(msr.field, msr.reset);
  cpu.setField(MSRS.tscAdjust, 0n);
  cpu.setField(MSRS.apicBase, APIC_BASE.reset | (cpu.number === 0 ? APIC_BASE.bootstrap : 0n));
  resetPerformanceMonitoring(cpu);
  endMonitoring(cpu);
  cpu.setField32(BOUNDARY.latched, 0);
  cpu.setField32(VMX.mode, 0);
  cpu.setField32(VMX.flags, 0);
  cpu.setField(VMX.vmxonPointer, 0n);
  cpu.setField(VMX.currentVmcs, ALL_ONES);
  cpu.setField(VMX.tscOffset, 0n);
}
