/** Where Bochs 2.7 differs from the SDM, or has a feature the machine does not advertise: lines of the report by name. */
export interface KnownDifference {
  readonly reason: string;
  /** What the machine prints behind the line's name, as the SDM has it. */
  readonly lines: Readonly<Record<string, RegExp>>;
}

export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  {
    reason:
      'SDM "Information for VM Exits Due to Vectored Events": no error code is valid with CR0.PE = 0; Bochs 2.7 says it is',
    lines: { 'real mode, int n beyond the IVT': / interruption=0x8000030d / },
  },
  {
    reason:
      'SDM on RF: every fault but that of an instruction breakpoint pushes RF = 1, and general detection is one; Bochs pushes 0',
    lines: { 'dr access under GD': / rdx=0x10002 / },
  },
  {
    reason: 'the machine has no VMCS shadowing',
    lines: { 'vmptrld of a shadow VMCS': /^ flags=0x40 vmerror=0xb$/ },
  },
  {
    reason: 'Bochs has the dual-monitor treatment of SMIs, of which VMCALL in root operation is part',
    lines: { 'vmcall in root': /^ flags=0x40 vmerror=0x1$/ },
  },
  {
    reason: '"entry to SMM" is among the checks on VM-entry control fields, so error 7; Bochs reports guest state',
    lines: { 'entry control for SMM': /^ vmerror=0x7$/ },
  },
  {
    reason: 'SDM "Checks on Guest State": Bochs does not check reserved bits of IA32_DEBUGCTL',
    lines: { 'guest DEBUGCTL reserved': /^ reason=33!$/ },
  },
  {
    reason: 'SDM "Checks on Guest RIP and RFLAGS": bits above the linear-address width are checked',
    lines: { 'guest RIP not canonical': /^ reason=33!$/ },
  },
  {
    reason: 'SDM "Checks on Guest Non-Register State": BS must agree with TF and BTF while MOV SS blocks',
    lines: { 'guest pending debug BS with TF 0 and MOV SS': /^ reason=33!$/ },
  },
  {
    reason: 'SDM "Checks on Guest Non-Register State": HLT takes only interrupts, NMI, #DB, #MC and MTF',
    lines: {
      'injected software interrupt in HLT': /^ reason=33!$/,
      'inject #UD in HLT': /^ reason=33!$/,
      'inject #UD in HLT, then': /^ left=0x80000306$/,
    },
  },
  {
    reason:
      'SDM "REP": with a count of 0 the string instruction is not executed; Bochs exits before it looks at the count',
    lines: { 'rep outsl, count 0': /^ reason=18 /, 'rep outsl of nothing, bitmap': /^ reason=18 / },
  },
  {
    reason: 'SDM "Blocking of External Interrupts": RFLAGS.IF has no part in it while external interrupts exit',
    lines: {
      'external interrupt, IF 0': /^ reason=1$/,
      'external interrupt after STI, not acknowledged': /^ reason=1$/,
    },
  },
  {
    reason: 'SDM "Architectural State Before a VM Exit": the return to the active state comes after the exit',
    lines: { 'external interrupt in HLT': /^ reason=1 interruption=0x80000064 rflags=0x200 activity=0x1$/ },
  },
  {
    reason: 'SDM "EPT Misconfigurations": bits 20:12 of an entry that maps 2 MBytes are reserved',
    lines: { 'EPT large page misaligned': /^ reason=49 physical=0x1010008 rip=0x5 rf=0x1$/ },
  },
  {
    reason: 'setting an accessed flag of a guest paging structure is a write, which EPT may refuse; Bochs does not ask',
    lines: { 'EPT walk, table read-only': /^ reason=48 qualification=0x8b / },
  },
  {
    reason: 'SDM "Exit Qualification for EPT Violations": with A/D flags a walk access sets both bit 0 and bit 1',
    lines: { 'EPT walk, table read-only with A/D': /^ reason=48 qualification=0x8b / },
  },
];

/**
 * SDM "Saving RIP, RSP, RFLAGS, and SSP": faults save RF = 1, so do EPT violations and misconfigurations; what leads to a double or
 * triple fault leaves it as it was. Bochs saves 0 for exits by exceptions and EPT, and 1 for double and triple faults.
 */
export const RF_DIFFERS = /^ reason=(0|2|48|49)\b/;

/** What the machine's RF must be on such a line. */
export function savesResume(line: string): boolean {
  if (/^ reason=(48|49)\b/.test(line)) return !/ vectoring=/.test(line) || / vectoring=0x8000(0|1)[38b]/.test(line);
  const event = / interruption=0x8000([0-9a-f]{4})/.exec(line);
  if (event === null) return false;
  const information = parseInt(event[1], 16);
  const type = (information >> 8) & 7;
  const vector = information & 0xff;
  return type === 3 && vector !== 1 && vector !== 8;
}
