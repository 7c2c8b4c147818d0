import type { Processor } from '../cpu/processor';
import { loadPdptes, type PagingRegisters, pdpteTable, usesPaePaging } from '../cpu/pdptes';
import { CR0, CR4, EFER } from '../tables/control-registers';

/** What CR0, CR4 and EFER must agree on; the processor has no behaviour for a state that breaks one. */
interface Rule {
  readonly words: string;
  holds(cr0: bigint, cr4: bigint, efer: bigint): boolean;
}

const has = (value: bigint, bit: number): boolean => (value & BigInt(bit)) !== 0n;

const RULES: readonly Rule[] = [
  { words: 'CR0.PG = 1 needs CR0.PE = 1.', holds: (cr0) => !has(cr0, CR0.PG) || has(cr0, CR0.PE) },
  {
    words: 'EFER.LMA is 1 exactly while CR0.PG and EFER.LME are; change the mode with instructions.',
    holds: (cr0, _cr4, efer) => has(efer, EFER.LMA) === (has(cr0, CR0.PG) && has(efer, EFER.LME)),
  },
  {
    words: 'EFER.LMA = 1 needs CR4.PAE = 1.',
    holds: (_cr0, cr4, efer) => !has(efer, EFER.LMA) || has(cr4, CR4.PAE),
  },
  {
    words: 'CR4.PCIDE = 1 needs EFER.LMA = 1.',
    holds: (_cr0, cr4, efer) => !has(cr4, CR4.PCIDE) || has(efer, EFER.LMA),
  },
];

/** Why the processor cannot have this RIP in its present mode, in a sentence; undefined where it can. */
export function refuseRip(cpu: Processor, rip: bigint): string | undefined {
  if (!cpu.is64Bit) return rip >> 32n === 0n ? undefined : 'RIP has 32 bits outside 64-bit mode.';
  if (cpu.isCanonical(rip)) return undefined;
  return `RIP must be canonical: bits 63 to ${cpu.linearBits - 1} of 0x${rip.toString(16)} are not all equal.`;
}

/**
 * Prepares a debugger's change of CR0, CR3, CR4 or EFER: checks that the registers agree and, under PAE paging, loads the PDPTEs that
 * the processor would load with them.
 * @returns why the change cannot be made, in a sentence; then nothing has been loaded
 */
export function preparePaging(cpu: Processor, next: PagingRegisters & { readonly cr3: bigint }): string | undefined {
  const broken = RULES.find((rule) => !rule.holds(next.cr0, next.cr4, next.efer));
  if (broken !== undefined) return broken.words;
  if (!usesPaePaging(next)) return undefined;
  const table = pdpteTable(next.cr3);
  const physical = cpu.vmx.ept ? throughEpt(cpu, table) : table;
  if (physical !== undefined && loadPdptes(cpu, physical)) return undefined;
  return `The page-directory-pointer table at 0x${table.toString(16)} is not in RAM or has reserved bits set.`;
}

function throughEpt(cpu: Processor, guestPhysical: number): number | undefined {
  const mapped = cpu.vmx.peekTranslate(BigInt(guestPhysical), cpu.vmx.eptp);
  return mapped === undefined ? undefined : mapped.physical - (mapped.physical % 4096) + (guestPhysical % 4096);
}
