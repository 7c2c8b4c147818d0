import { FIELD } from '../../tables/vmcs-fields';
import { controlFields, implies, isOne, section } from './check';
import type { EntryCheck } from './check';
import { reservedBits } from './control-words';
import { msrList } from './msr-list';

/** SDM, "VM-Exit Control Fields" under "Checks on VMX Controls". */
export const CONTROLS_EXIT: readonly EntryCheck[] = section('VM-Exit Control Fields', [
  reservedBits('exit-reserved', 'exit', 'IA32_VMX_TRUE_EXIT_CTLS'),
  reservedBits('exit2-reserved', 'exit2', 'IA32_VMX_EXIT_CTLS2', {
    test: isOne('exit.ACTIVATE_SECONDARY_CONTROLS'),
    fields: controlFields('exit.ACTIVATE_SECONDARY_CONTROLS'),
    words: 'If "activate secondary controls" is 1',
  }),
  implies('save-timer-needs-timer', 'exit.SAVE_PREEMPTION_TIMER', [['pin.ACTIVATE_PREEMPTION_TIMER', 1]]),
  ...msrList('exit-msr-store', FIELD.VM_EXIT_MSR_STORE_ADDR, FIELD.VM_EXIT_MSR_STORE_COUNT),
  ...msrList('exit-msr-load', FIELD.VM_EXIT_MSR_LOAD_ADDR, FIELD.VM_EXIT_MSR_LOAD_COUNT),
]);
