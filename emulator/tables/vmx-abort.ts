/** VMX-abort indicators (SDM, "VMX Aborts"). */
const VMX_ABORTS: ReadonlyMap<number, string> = new Map([
  [1, 'There was a failure in saving guest MSRs.'],
  [2, 'Host checking of the page-directory-pointer-table entries (PDPTEs) failed.'],
  [3, 'The current VMCS has been corrupted so that the processor cannot complete the VM exit.'],
  [4, 'There was a failure on loading host MSRs.'],
  [5, 'There was a machine-check event during VM exit.'],
  [6, 'The processor was in IA-32e mode before the VM exit and "host address-space size" was 0.'],
]);

export const VMX_ABORT = {
  SAVE_GUEST_MSRS: 1,
  HOST_PDPTES: 2,
  CORRUPT_VMCS: 3,
  LOAD_HOST_MSRS: 4,
  MACHINE_CHECK: 5,
  HOST_NOT_64_BIT: 6,
} as const;

/** The sentence for an indicator, known or not. */
export function vmxAbort(indicator: number): string {
  return VMX_ABORTS.get(indicator) ?? `unknown VMX-abort indicator ${indicator}`;
}
