import { raise, VECTOR } from '../cpu/faults';
import type { Processor } from '../cpu/processor';
import type { Platform } from '../devices/platform';

const TSC_DEADLINE = 0x6e0;
const X2APIC = { first: 0x800, last: 0x8ff } as const;

/** Gives the processor the registers of its local APIC that are not in its MMIO page: CR8, x2APIC MSRs, the TSC deadline; and the pin of numeric errors. */
export function connectApic(cpu: Processor, platform: Platform): void {
  const { apics } = platform;
  cpu.taskPriority = {
    read: () => apics.active.tpr >> 4,
    write: (value) => {
      apics.active.tpr = (value & 15) << 4;
    },
  };
  cpu.numericError = () => {
    platform.numericError();
  };
  cpu.apicBaseChanged = (old, value) => apics.modeChanged(old, value);
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
      handles: (index) => index === TSC_DEADLINE,
      read: () => apics.tscDeadline,
      write: (_index, value) => {
        apics.tscDeadline = value;
      },
    },
  );
}
