import { INSTRUCTIONS } from './instructions';

/** Semantic keys of branch instructions, near and far, taken or not: what "Branch Instruction Retired" counts. */
// prettier-ignore
const BRANCH_KEYS: ReadonlySet<string> = new Set([
  'jcc', 'jmp', 'jmp_indirect', 'jcxz', 'loop', 'loope', 'loopne', 'call', 'call_indirect', 'ret', 'ret_imm',
  'jmp_far', 'jmp_far_indirect', 'call_far', 'call_far_indirect', 'retf', 'retf_imm', 'iret',
  'int', 'int1', 'int3', 'into', 'syscall', 'sysret', 'sysenter', 'sysexit',
]);

/** By row of the instruction table: it is a branch. A branch is the last instruction of its decoded block. */
export const BRANCH_ROWS: readonly boolean[] = INSTRUCTIONS.map(({ semantic }) => BRANCH_KEYS.has(semantic.key));
