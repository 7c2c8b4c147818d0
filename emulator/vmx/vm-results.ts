import type { CheckFailure } from '../api';
import { COLD } from '../cpu/cold';
import type { ColdResult } from '../cpu/cold';
import { writeArithmeticFlags } from '../semantics/flags';
import { TRANSITION_KIND } from './transitions';
import { AT } from './vmcs';
import { elapsedInSlice } from './vmx-context';
import type { VmxContext } from './vmx-context';

const CF = 0x1;
const ZF = 0x40;

function setResult({ cpu }: VmxContext, flag: number): ColdResult {
  // The conventions for VMX instructions set or clear all six arithmetic flags.
  writeArithmeticFlags(cpu.memory, flag);
  return COLD.NEXT;
}

export function vmSucceed(vmx: VmxContext): ColdResult {
  return setResult(vmx, 0);
}

function logFailure({ cpu, log }: VmxContext, error: number, failures: readonly CheckFailure[]): void {
  log.append(
    {
      kind: TRANSITION_KIND.VMFAIL,
      reason: error,
      fromLevel: 0,
      toLevel: 0,
      fromGuest: false,
      toGuest: false,
      elapsed: elapsedInSlice(cpu),
    },
    failures,
  );
}

/** There is no current VMCS to hold an error number: it is logged as 0. */
export function vmFailInvalid(vmx: VmxContext): ColdResult {
  logFailure(vmx, 0, []);
  return leaveIfStopping(vmx, setResult(vmx, CF));
}

/** @param error VM-instruction error number */
export function vmFailValid(vmx: VmxContext, error: number, failures: readonly CheckFailure[] = []): ColdResult {
  vmx.vmcs.set32(AT.VM_INSTRUCTION_ERROR, error);
  logFailure(vmx, error, failures);
  return leaveIfStopping(vmx, setResult(vmx, ZF));
}

/** VMfailValid where there is a current VMCS, else VMfailInvalid. */
export function vmFail(vmx: VmxContext, error: number): ColdResult {
  return vmx.vmcs.isCurrent ? vmFailValid(vmx, error) : vmFailInvalid(vmx);
}

/** A stop comes before the next instruction, so the block must not go on. */
function leaveIfStopping({ log }: VmxContext, result: ColdResult): ColdResult {
  return log.stopRequested ? COLD.LEAVE : result;
}
