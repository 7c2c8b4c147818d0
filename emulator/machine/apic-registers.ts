import { raise, VECTOR } from '../cpu/faults';
import type { Processor } from '../cpu/processor';
import type { Platform } from '../devices/platform';

const TSC_DEADLINE = 0x6e0;
const X2APIC = { first: 0x800, last: 0x8ff } as const;

/** Gives the processor the registers of its local APIC that are not in its MMIO page: CR8, x2APIC MSRs, the TSC deadline. */
export function connectApic(cpu: Processor, platform: Platform): void {
  cpu.taskPriority = {
    read: () => platform.taskPriority,
    write: (value) => {
      platform.taskPriority = value;
    },
  };
  cpu.msrHooks.push(
    {
      handles: (index) => index >= X2APIC.first && index <= X2APIC.last,
      read: (index) => platform.readApicMsr(index) ?? raise(VECTOR.GP, 0),
      write: (index, value) => {
        if (!platform.writeApicMsr(index, value)) raise(VECTOR.GP, 0);
      },
    },
    {
      handles: (index) => index === TSC_DEADLINE,
      read: () => platform.tscDeadline,
      write: (_index, value) => {
        platform.tscDeadline = value;
      },
    },
  );
}
