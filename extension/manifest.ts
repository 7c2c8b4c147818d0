import { launchAttributes } from '../debug-adapter/configuration';
import { DEBUG_TYPE } from './launch';

/**
 * Languages whose lines can hold breakpoints. This extension brings `nasm` and `gas`; `asm` and `asm-intel-x86-generic` are what
 * other extensions call assembly files where they own them.
 */
const ASSEMBLY = ['nasm', 'gas', 'asm', 'asm-intel-x86-generic'] as const;
const COMPILED = ['c', 'cpp', 'rust', 'zig'] as const;

const snippet = (label: string, description: string, settings: Readonly<Record<string, unknown>>) => ({
  label: `Strata: ${label}`,
  description,
  body: { type: DEBUG_TYPE, request: 'launch', ...settings },
});

// In a snippet "^\"...\"" stands for a JSON string whose text may hold variables such as ${workspaceFolder}.
const PROGRAM = '^"\\${workspaceFolder}/${1:kernel.elf}"';

const SNIPPETS = [
  snippet('run an image', 'Boot a multiboot ELF image.', { name: 'Run ${1:kernel.elf}', program: PROGRAM }),
  snippet('stop at VM exits', 'Boot an image and stop at the VM exits that a condition names.', {
    name: '${1:kernel.elf}: stop at ${2:CPUID} exits',
    program: PROGRAM,
    exitBreakpoints: ['exit == ${2:CPUID}'],
  }),
  snippet('a VMM and its guest', 'Boot a VMM whose guest has a symbol file of its own.', {
    name: '${1:kernel.elf} and its guest',
    program: PROGRAM,
    modules: ['^"\\${workspaceFolder}/${2:guest.elf}"'],
    symbols: [{ file: '^"\\${workspaceFolder}/${2:guest.elf}"', layer: 1 }],
  }),
  snippet('a flat binary', 'Boot a flat binary, put at a physical address and entered there.', {
    name: 'Run ${1:image.bin}',
    program: '^"\\${workspaceFolder}/${1:image.bin}"',
    loadAddress: '${2:0x100000}',
  }),
];

/** What the debugger contributes to the editor, from the same table the adapter checks launch settings against. */
export const debuggerContribution = {
  type: DEBUG_TYPE,
  label: 'Strata (x86-64 with VMX)',
  languages: [...ASSEMBLY, 'c'],
  variables: { pickProgram: 'strata.pickProgram' },
  configurationAttributes: { launch: launchAttributes },
  configurationSnippets: SNIPPETS,
};

export const breakpointContribution = [...ASSEMBLY, ...COMPILED].map((language) => ({ language }));
