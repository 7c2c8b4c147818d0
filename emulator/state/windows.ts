import { readArithmeticFlags, writeArithmeticFlags } from '../semantics/flags';
import { CPU_WINDOW, CPU_WINDOW_SIZE, MACHINE, PARKED_WINDOWS } from './layout';
import type { MachineMemory } from './memory';

/** Where a processor's window lies while another one is active. */
const parkedAt = (processor: number): number => PARKED_WINDOWS + processor * CPU_WINDOW_SIZE;

/** What to add to the address of a field of the active processor's window to have the field of `processor`. */
export function windowShift(memory: MachineMemory, processor: number): number {
  return memory.u32[MACHINE.activeProcessor >> 2] === processor ? 0 : parkedAt(processor) - CPU_WINDOW;
}

/** Parks the active processor's window and makes `processor` the active one. What is derived from the window is the caller's. */
export function switchWindow(memory: MachineMemory, processor: number): void {
  const active = memory.u32[MACHINE.activeProcessor >> 2];
  if (active === processor) return;
  // Equal processors are parked as equal bytes: the six flags have many forms.
  writeArithmeticFlags(memory, readArithmeticFlags(memory));
  memory.u8.copyWithin(parkedAt(active), CPU_WINDOW, CPU_WINDOW + CPU_WINDOW_SIZE);
  memory.u8.copyWithin(CPU_WINDOW, parkedAt(processor), parkedAt(processor) + CPU_WINDOW_SIZE);
  memory.u32[MACHINE.activeProcessor >> 2] = processor;
}
