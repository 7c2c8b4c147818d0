/** Rows of the instruction table: which of them the processor this runs on has, and by which patterns they are chosen. */
import type { InstructionRow } from '../../emulator/tables/instruction-types';
import { CPU_FEATURES } from '../../emulator/tables/cpuid-features';
import { hostCpuid } from './host';
import { rowName } from './tested-rows';

export { rowName, TESTED_ROWS } from './tested-rows';

/** The features of the processor this runs on, by the machine's names for them. */
export const HOST_FEATURES: ReadonlySet<string> = (() => {
  const leaves = new Map<string, ReturnType<typeof hostCpuid>>();
  return new Set(
    CPU_FEATURES.filter(({ place: { leaf, subleaf, register, bit } }) => {
      const key = `${leaf} ${subleaf}`;
      const registers = leaves.get(key) ?? hostCpuid(leaf, subleaf);
      leaves.set(key, registers);
      return ((registers[register] >>> bit) & 1) === 1;
    }).map(({ name }) => name),
  );
})();

/** "Genu", as CPUID leaf 0 gives it in EBX. */
const GENUINE = 0x756e_6547;
/**
 * Whether this is an Intel processor, as the machine is. Others differ where the SDM leaves room: in what a fault in the middle of a vector leaves, in
 * x87 pointers, in approximations. There the recorded corpus stands for the processor.
 */
export const IS_INTEL_HOST = hostCpuid(0, 0).ebx >>> 0 === GENUINE;

/** Whether the processor this runs on has a row's instruction, and is an oracle for it. */
export const hostHas = ({ feature, unit }: InstructionRow): boolean =>
  (feature === undefined || HOST_FEATURES.has(feature)) && (unit === undefined || unit === 'vex' || IS_INTEL_HOST);

/** Whether a row is one of those a pattern names: by mnemonic, opcode, 'unit:', 'feature:' or 'key:'. */
export function matchesRow(row: InstructionRow, pattern: RegExp): boolean {
  const { mnemonic, opcode, unit = 'none', feature = 'none', semantic } = row;
  const names = [mnemonic, opcode, rowName(row), `unit:${unit}`, `feature:${feature}`, `key:${semantic.key}`];
  return names.some((name) => pattern.test(name));
}
