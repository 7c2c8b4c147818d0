/** Where the machine's report rightly differs from Bochs's: the SDM, or real processors, say otherwise. */
export interface Deviation {
  readonly guest: string;
  /** Name of the guest's test. */
  readonly test: string;
  readonly reason: string;
}

export const DEVIATIONS: readonly Deviation[] = [
  {
    guest: 'long',
    test: 'rep movs a32 zero',
    reason:
      'Intel processors clear the upper half of RCX too when a repetition with 32-bit addresses has nothing to do; the host oracle shows it.',
  },
  {
    guest: 'long',
    test: 'user rsp0 bad',
    reason:
      'SDM "INT n": #SS(error_code(NewSS,0,EXT)), and NewSS is null after a privilege change in IA-32e mode; Bochs names the old SS.',
  },
  {
    guest: 'long',
    test: 'iretd in 64',
    reason:
      'SDM "IRET": in 64-bit mode SS:RSP is popped unconditionally, with every operand size; Bochs does not for 32.',
  },
  {
    guest: 'legacy-paging',
    test: 'pae cr0 wp loads none',
    reason:
      'SDM "PDPTE Registers": of CR0, only changes of CD, NW and PG load the PDPTEs; Bochs also loads them, and refuses reserved bits, when WP changes.',
  },
];
