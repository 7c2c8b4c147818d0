/** Which rows of the instruction table can be compared with a processor in 64-bit user mode, and why others cannot. */
import { INSTRUCTIONS } from '../../emulator/tables/instructions';
import type { InstructionRow } from '../../emulator/tables/instruction-types';

/**
 * Rows whose meaning differs between processors with and without extensions that the machine does not have: NOP space that
 * MPX, CET and cache hints live in. 1F is NOP everywhere.
 */
const isHint = ({ opcode }: InstructionRow): boolean => /^0F (0D|1[89A-E])/.test(opcode);

/** Semantics that no two runs do alike, or that depend on what an operating system sets up, with the reason. */
const WITHOUT_ORACLE: readonly (readonly [RegExp, string])[] = [
  [/^(rdrand|rdseed)$/, 'random by design'],
  [/^(rdpid|rdtsc|rdtscp|rdpmc)$/, 'the value is the host’s own'],
  [/^(monitor|mwait|umonitor|umwait|tpause)$/, 'waits on the host’s time'],
  [/^(rd|wr)(fs|gs)base$/, 'the harness’s own segment bases'],
  [/^xgetbv$/, 'the host has more state components'],
  [/^(rdpkru|wrpkru)$/, 'the host’s CR4.PKE is not the machine’s'],
  [/^(xsaveopt|xsavec|xsaves|xrstors)$/, 'what is in use and what was modified the processor tracks itself'],
  [/^(swapgs|clac|stac|wrmsrns|wbnoinvd|invpcid|serialize|rdmsrlist|wrmsrlist)$/, 'a system instruction'],
  [/^(clflush|clflushopt|clwb|cldemote)$/, 'no effect on state; the host may lack it'],
];

/** Why a row is not compared; undefined: it is. */
export const reasonAgainst = ({
  semantic: { kind, key },
  unit,
  feature,
  ...row
}: InstructionRow): string | undefined => {
  if (row.mode === 'legacy') return 'not in 64-bit mode';
  if (isHint({ semantic: { kind, key }, ...row })) return 'a hint whose meaning depends on extensions';
  if (kind === 'cold' && unit === undefined && feature === undefined) return 'a system instruction';
  return WITHOUT_ORACLE.find(([keys]) => keys.test(key))?.[1];
};

/** Rows that execute in 64-bit user mode, and whose outcome is the same on every processor that has them. */
export const TESTED_ROWS: readonly InstructionRow[] = INSTRUCTIONS.filter((row) => reasonAgainst(row) === undefined);

/** How a row is named for people and for `--rows`. */
export const rowName = (row: InstructionRow): string => `${row.mnemonic} ${row.operands.join(',')} (${row.opcode})`;
