import { raise, VECTOR } from '../cpu/faults';
import type { Processor } from '../cpu/processor';
import type { Platform } from '../devices/platform';
import { MSRS } from '../state/layout';
import { APIC_BASE } from '../tables/msrs';

const BASE = 0x1b;
const TSC_DEADLINE = 0x6e0;
const X2APIC = { first: 0x800, last: 0x8ff } as const;

/** Gives the processor the registers of its local APIC that are not in its MMIO page: CR8, IA32_APIC_BASE, x2APIC MSRs, the TSC deadline. */
export function connectApic(cpu: Processor, platform: Platform): void {
  const { apics } = platform;
  cpu.taskPriority = {
    read: () => apics.active.tpr >> 4,
    write: (value) => {
      apics.active.tpr = (value & 15) << 4;
    },
  };
  cpu.performanceInterrupt = () => apics.active.performanceInterrupt();
  cpu.msrHooks.push(
    {
      handles: (index) => index >= X2APIC.first && index <= X2APIC.last,
      read: (index) => apics.readMsr(index) ?? raise(VECTOR.GP, 0),
      write: (index, value) => {
        if (!apics.writeMsr(index, value)) raise(VECTOR.GP, 0);
      },
    },
    {
      handles: (index) => index === BASE,
      read: () => cpu.field(MSRS.apicBase),
      write: (_index, value) => writeBase(cpu, platform, value),
    },
    {
      handles: (index) => index === TSC_DEADLINE,
      read: () => apics.tscDeadline,
      write: (_index, value) => {
        apics.tscDeadline = value;
      },
    },
  );
}

/** Bits 7:0 and 9 of IA32_APIC_BASE, and what lies above the physical-address width. */
const reservedIn = (cpu: Processor): bigint => 0x2ffn | ~((1n << BigInt(cpu.model.physicalBits)) - 1n);

function writeBase(cpu: Processor, platform: Platform, value: bigint): void {
  const old = cpu.field(MSRS.apicBase);
  if ((value & reservedIn(cpu)) !== 0n || !mayChangeMode(old, value)) raise(VECTOR.GP, 0);
  cpu.setField(MSRS.apicBase, value);
  platform.apics.modeChanged(old, value);
  // The page moves under every context's inline maps.
  if (old !== value) cpu.mmu.flushVpid(undefined);
}

/** SDM "x2APIC State Transitions": in only from xAPIC mode, out only by disabling, and never x2APIC without the enable bit. */
function mayChangeMode(old: bigint, value: bigint): boolean {
  const { enable, x2apic } = APIC_BASE;
  if ((value & x2apic) === 0n) return (old & x2apic) === 0n || (value & enable) === 0n;
  return (value & enable) !== 0n && (old & enable) !== 0n;
}
