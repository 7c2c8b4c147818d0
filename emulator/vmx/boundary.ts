import { BOUNDARY, FLAGS } from '../state/layout';
import { ACTIVITY, BLOCKING, LATCHED } from '../tables/boundary-state';
import { EVENT_TYPE } from '../tables/interruption-info';
import { EXIT_REASON } from '../tables/exit-reasons';
import { interruptionInformation, vmExit } from './exit';
import type { VmxContext } from './vmx-context';

/** Requests at an instruction boundary. */
export interface PendingEvents {
  readonly interrupt: boolean;
  readonly nmi: boolean;
  readonly init: boolean;
}

const IF = 0x200;
const NMI_VECTOR = 2;

/**
 * The VM exits of an instruction boundary in the guest, highest priority first (SDM, "Other Causes of VM Exits" and "Window
 * Exiting"): start-up message; INIT; NMI window; NMI; interrupt window; external interrupt.
 * @returns true if one was made
 */
export function boundaryExit(vmx: VmxContext, pending: PendingEvents): boolean {
  const { cpu, vmcs } = vmx;
  const activity = cpu.field32(BOUNDARY.activity);
  if (activity === ACTIVITY.WAIT_FOR_SIPI) return startUpExit(vmx);
  if (pending.init) {
    consume(vmx, LATCHED.INIT);
    vmExit(vmx, EXIT_REASON.INIT_SIGNAL);
    return true;
  }
  const blocking = cpu.field32(BOUNDARY.interruptibility);
  const shadow = (blocking & BLOCKING.SHADOW) !== 0;
  const nmiOpen = !shadow && (blocking & BLOCKING.NMI) === 0;
  if (nmiOpen && vmcs.on('primary.NMI_WINDOW_EXITING')) {
    vmExit(vmx, EXIT_REASON.NMI_WINDOW);
    return true;
  }
  if (pending.nmi && nmiOpen && vmcs.on('pin.NMI_EXITING')) {
    consume(vmx, LATCHED.NMI);
    vmExit(vmx, EXIT_REASON.EXCEPTION_OR_NMI, {
      interruption: interruptionInformation(cpu, NMI_VECTOR, EVENT_TYPE.NMI),
    });
    return true;
  }
  if (shadow || activity === ACTIVITY.SHUTDOWN) return false;
  if ((cpu.field32(FLAGS.system) & IF) !== 0 && vmcs.on('primary.INTERRUPT_WINDOW_EXITING')) {
    vmExit(vmx, EXIT_REASON.INTERRUPT_WINDOW);
    return true;
  }
  if (!pending.interrupt || !vmcs.on('pin.EXTERNAL_INTERRUPT_EXITING')) return false;
  const interruption = vmcs.on('exit.ACKNOWLEDGE_INTERRUPT_ON_EXIT')
    ? interruptionInformation(cpu, cpu.interrupts.acknowledge(cpu.number), EVENT_TYPE.EXTERNAL_INTERRUPT)
    : 0;
  vmExit(vmx, EXIT_REASON.EXTERNAL_INTERRUPT, { interruption });
  return true;
}

/** In the wait-for-SIPI state nothing exits but a start-up message. */
function startUpExit(vmx: VmxContext): boolean {
  const latched = vmx.cpu.field32(BOUNDARY.latched);
  if ((latched & LATCHED.SIPI) === 0) return false;
  consume(vmx, LATCHED.SIPI | LATCHED.VECTOR_MASK);
  vmExit(vmx, EXIT_REASON.SIPI, { qualification: BigInt((latched & LATCHED.VECTOR_MASK) >> LATCHED.VECTOR_SHIFT) });
  return true;
}

function consume({ cpu }: VmxContext, latched: number): void {
  cpu.setField32(BOUNDARY.latched, cpu.field32(BOUNDARY.latched) & ~latched);
}
