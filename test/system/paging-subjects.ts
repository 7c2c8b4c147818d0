/** Guests of newer paging features, each with the oracle it is compared with. */
interface PagingSubject {
  readonly guest: string;
  readonly oracle: 'Bochs' | 'QEMU';
  /** Tests whose report rightly differs from the oracle's, with the reason. */
  readonly deviations: Readonly<Record<string, string>>;
}

const RESERVED = 'SDM "Page-Fault Exceptions": RSVD is only ever set together with P; QEMU clears P.';
const TARGET = 'SDM "JMP", "RET": a target that is not canonical faults in the branch; QEMU faults at the target.';

export const PAGING_SUBJECTS: readonly PagingSubject[] = [
  {
    guest: 'paging-features',
    oracle: 'Bochs',
    deviations: {
      'smap descriptor table':
        'SDM "Determination of Access Rights": RFLAGS.AC excuses no implicit supervisor access; Bochs lets it.',
    },
  },
  { guest: 'protection-keys', oracle: 'QEMU', deviations: {} },
  {
    guest: 'five-level',
    oracle: 'QEMU',
    deviations: {
      'ps in a pml5 entry': RESERVED,
      'reserved bit 51 of a pml5 entry': RESERVED,
      'jump not canonical': TARGET,
      'ret not canonical': TARGET,
      'cross the top of the lower half':
        'SDM "Canonical Addressing": each byte of an access must be canonical; QEMU looks at the first alone.',
    },
  },
];
