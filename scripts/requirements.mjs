/**
 * What the commands need beyond Node: distribution packages, how to see that one is there, and what it is for.
 *
 * @typedef {'samples' | 'unit' | 'bochs' | 'editor'} Purpose
 * @typedef {object} Requirement
 * @property {string} name The Debian package.
 * @property {readonly string[]} commands Found in PATH when it is installed...
 * @property {readonly string[]} files ...together with all of these files.
 * @property {string} use Completes "needed to ...".
 * @property {readonly Purpose[]} purposes
 */

/** @type {Readonly<Record<Purpose, string>>} */
export const PURPOSES = {
  samples: 'the samples',
  unit: 'the specs that compare with gcc, binutils and the host processor',
  bochs: 'the comparison with Bochs and QEMU, and the benchmark',
  editor: 'VS Code in the browser, for `npm run code` and the editor tests',
};

/** What each npm script asks for; one that is not listed needs only the npm packages. */
/** @type {Readonly<Record<string, readonly Purpose[]>>} */
export const COMMANDS = {
  start: ['samples'],
  samples: ['samples'],
  code: ['samples', 'editor'],
  bench: ['samples', 'bochs'],
  'test:unit': ['samples', 'unit'],
  'test:long': ['samples', 'unit', 'bochs'],
  'test:vscode': ['samples', 'editor'],
  test: ['samples', 'unit', 'bochs', 'editor'],
};

/** @type {readonly Requirement[]} */
export const REQUIREMENTS = [
  { name: 'gcc', commands: ['gcc'], files: [], use: 'compile the guests', purposes: ['samples', 'unit'] },
  {
    name: 'libc6-dev',
    commands: [],
    files: ['/usr/include/stdio.h'],
    use: 'compile the host oracle',
    purposes: ['unit'],
  },
  {
    name: 'binutils',
    commands: ['as', 'ld', 'objcopy', 'objdump', 'readelf', 'addr2line'],
    files: [],
    use: 'link the guests and check the ELF and DWARF readers',
    purposes: ['samples', 'unit'],
  },
  { name: 'make', commands: ['make'], files: [], use: 'build the samples', purposes: ['samples', 'editor'] },
  { name: 'nasm', commands: ['nasm'], files: [], use: 'assemble the guests', purposes: ['samples', 'unit'] },
  {
    name: 'gcc-multilib',
    commands: [],
    files: ['/usr/include/x86_64-linux-gnu/gnu/stubs-32.h'],
    use: 'compile 32-bit programs for the DWARF specs',
    purposes: ['unit'],
  },
  { name: 'bochs', commands: ['bochs'], files: [], use: 'run guests on another emulator', purposes: ['bochs'] },
  {
    name: 'qemu-system-x86',
    commands: ['qemu-system-x86_64'],
    files: [],
    use: 'run guests on a third emulator',
    purposes: ['bochs'],
  },
  {
    name: 'bochsbios',
    commands: [],
    files: ['/usr/share/bochs/BIOS-bochs-latest'],
    use: 'give Bochs its firmware',
    purposes: ['bochs'],
  },
  {
    name: 'vgabios',
    commands: [],
    files: ['/usr/share/vgabios/vgabios.bin'],
    use: 'give Bochs its video firmware',
    purposes: ['bochs'],
  },
  {
    name: 'grub-common',
    commands: ['grub-mkrescue'],
    files: [],
    use: 'make boot images for Bochs, which boots multiboot only through GRUB',
    purposes: ['bochs'],
  },
  {
    name: 'grub-pc-bin',
    commands: [],
    files: ['/usr/lib/grub/i386-pc/multiboot.mod'],
    use: 'put GRUB into those images',
    purposes: ['bochs'],
  },
  { name: 'xorriso', commands: ['xorriso'], files: [], use: 'write those images', purposes: ['bochs'] },
  { name: 'mtools', commands: ['mformat'], files: [], use: 'write those images', purposes: ['bochs'] },
  { name: 'chromium', commands: ['chromium'], files: [], use: 'drive the editor in tests', purposes: ['editor'] },
  {
    name: 'libkrb5-dev',
    commands: [],
    files: ['/usr/include/gssapi/gssapi.h'],
    use: 'build code-server',
    purposes: ['editor'],
  },
  { name: 'g++', commands: ['g++'], files: [], use: 'build code-server', purposes: ['editor'] },
  { name: 'python3', commands: ['python3'], files: [], use: 'build code-server', purposes: ['editor'] },
];
