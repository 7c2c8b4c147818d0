/** Where the machine's report rightly differs from Bochs's: the SDM, or real processors, say otherwise. */
export interface Deviation {
  readonly guest: string;
  /** Name of the guest's test. */
  readonly test: string;
  readonly reason: string;
}

const RESUME_IN_REPETITION =
  'SDM on RF: a trap between two iterations of a repetition pushes RF = 1, so that an instruction breakpoint is not met again; Bochs pushes 0.';
const WIDE_BASES =
  'SDM "Canonical Addressing": a processor with LA57 checks bases for 57 bits whatever CR4.LA57 is; the Bochs model has none.';
const RESUME_OF_DETECTION =
  'SDM on RF: every fault but that of an instruction breakpoint pushes RF = 1, and general detection is one; Bochs pushes 0.';

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
  { guest: 'long', test: 'dr7 gd', reason: RESUME_OF_DETECTION },
  { guest: 'long', test: 'wrmsr noncanonical', reason: WIDE_BASES },
  { guest: 'long', test: 'lldt upper', reason: WIDE_BASES },
  { guest: 'long', test: 'fsgsbase', reason: WIDE_BASES },
  {
    guest: 'legacy-paging',
    test: 'pae cr0 wp loads none',
    reason:
      'SDM "PDPTE Registers": of CR0, only changes of CD, NW and PG load the PDPTEs; Bochs also loads them, and refuses reserved bits, when WP changes.',
  },
  {
    guest: 'paging',
    test: 'single step rep',
    reason: RESUME_IN_REPETITION,
  },
  {
    guest: 'paging',
    test: 'single step syscall',
    reason:
      'Processors look at TF as SYSCALL leaves it, so that FMASK keeps the trap out of the kernel, on which Linux relies; Bochs traps by the TF before it.',
  },
  {
    guest: 'debug',
    test: 'movs.00',
    reason: RESUME_IN_REPETITION,
  },
  {
    guest: 'debug',
    test: 'stos.00',
    reason: RESUME_IN_REPETITION,
  },
  {
    guest: 'debug',
    test: 'cmps.00',
    reason: RESUME_IN_REPETITION,
  },
  {
    guest: 'debug',
    test: 'io.03',
    reason: RESUME_IN_REPETITION,
  },
  {
    guest: 'debug',
    test: 'tf rep.00',
    reason: RESUME_IN_REPETITION,
  },
  {
    guest: 'debug',
    test: 'tf rep.01',
    reason: RESUME_IN_REPETITION,
  },
  {
    guest: 'debug',
    test: 'general detect.00',
    reason: RESUME_OF_DETECTION,
  },
  {
    guest: 'debug',
    test: 'general detect write.00',
    reason: RESUME_OF_DETECTION,
  },
  {
    guest: 'debug',
    test: 'instruction with tf.00',
    reason:
      'SDM "Priority Among Concurrent Events": the single-step trap comes before the next instruction is looked at; Bochs reports its breakpoint too.',
  },
  {
    guest: 'tasks',
    test: 'ldt data',
    reason:
      'Bochs takes the handler of a fault in the new LDT selector to be at an inner level, and a stack from the TSS; the new task is at level 0.',
  },
  {
    guest: 'tasks',
    test: 'ldt absent',
    reason:
      'Bochs takes the handler of a fault in the new LDT selector to be at an inner level, and a stack from the TSS; the new task is at level 0.',
  },
  {
    guest: 'descriptors',
    test: 'user call gate noncanonical, rsp0 too',
    reason:
      'SDM "CALL": the new SS is null after a privilege change in IA-32e mode, and so is #SS\'s error code; Bochs names the old SS.',
  },
  {
    guest: 'descriptors',
    test: 'jmp to compat wide offset',
    reason: 'Intel processors raise #GP(0), for calls too, and truncate RIP in returns only; the host shows it.',
  },
  {
    guest: 'descriptors',
    test: 'smap ldt with ac',
    reason:
      'SDM "Determination of Access Rights": RFLAGS.AC does not excuse implicit accesses, of which a descriptor load is one.',
  },
];

/** Where the machine's report rightly differs from QEMU's. RF apart, which QEMU pushes as 0 for faults; reports are compared without it. */
export interface QemuDeviations {
  readonly guest: string;
  readonly tests: readonly string[];
  readonly reason: string;
}

export const QEMU_DEVIATIONS: readonly QemuDeviations[] = [
  {
    guest: 'virtual',
    tests: ['limit', 'limit wide', 'stack limit', 'far jump wide'],
    reason: 'QEMU checks no segment limits of real and virtual-8086 mode.',
  },
  { guest: 'virtual', tests: ['gate of 16 bits'], reason: 'QEMU goes wrong in the handler behind a 16-bit gate.' },
  { guest: 'virtual', tests: ['int1 iopl 0'], reason: 'QEMU raises #UD for INT1 here.' },
  {
    guest: 'virtual',
    tests: ['vme cli', 'vme sti', 'vme pushf vif', 'vme pushf no vif'],
    reason: 'QEMU has no virtual interrupt flag.',
  },
  {
    guest: 'virtual',
    tests: ['vme popf if', 'vme popf no if', 'vme popf no if vip', 'vme iret if'],
    reason: 'QEMU has no virtual interrupt flag.',
  },
  {
    guest: 'virtual',
    tests: ['vme int redirected', 'vme int redirected no vif', 'vme int redirected iopl 3', 'vme int redirected tf'],
    reason: 'QEMU does not know the redirection bitmap.',
  },
  {
    guest: 'virtual',
    tests: ['pvi cli', 'pvi sti', 'pvi sti vip', 'pvi popf', 'pvi pushf', 'pvi cli iopl 3'],
    reason: 'QEMU has no virtual interrupt flag.',
  },
  {
    guest: 'tasks',
    tests: ['exception by task gate', 'exception old state', 'exception with error code by task gate'],
    reason: 'QEMU saves RF as 0 in the TSS of a task that faults.',
  },
  {
    guest: 'tasks',
    tests: ['gate to ldt selector'],
    reason: 'SDM "JMP": #GP for a TSS selector that is not in the GDT; QEMU raises #TS.',
  },
  {
    guest: 'tasks',
    tests: ['cs null', 'cs data', 'cs rpl', 'cs absent'],
    reason: "QEMU does not check the new task's CS here.",
  },
  {
    guest: 'tasks',
    tests: ['cs limit', 'ds absent', 'ds beyond', 'es execute only', 'fs privilege', 'gs system'],
    reason: 'SDM "Task Switching": the fault happens in the new task; QEMU reports the EIP of the old one.',
  },
  {
    guest: 'tasks',
    tests: ['ldt data', 'ldt absent'],
    reason:
      'SDM "Task Switching": #TS with the LDT selector, in the new task; QEMU gives the selector of the TSS, and the EIP of the old task.',
  },
  {
    guest: 'tasks',
    tests: ['trap flag', 'trap flag by int'],
    reason: 'QEMU does not know the T flag of a TSS.',
  },
  {
    guest: 'tasks',
    tests: ['local breakpoints'],
    reason: 'SDM "Debug Control Register": a task switch clears LE too.',
  },
  {
    guest: 'tasks',
    tests: ['old tss too short'],
    reason: 'QEMU does not check that the old TSS has room for the state.',
  },
];
