/** Programs built for the tests of this folder by the system's compilers, with the outputs of `readelf` and `nm` on them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MAIN_C = `#include "helper.h"
static int table[4] = { 1, 2, 3, 4 };

__attribute__((noinline)) int add(int a, int b)
{

  int r = a + b;
  for (int i = 0; i < b; i++)
    r += square(i) + table[i & 3];
  return r;
}

__attribute__((noinline)) static int recurse(int n)
{
  if (n <= 0)
    return leaf();
  return recurse(n - 1) + add(n, 2);
}

int main(void)
{
  return recurse(3);
}

void _start(void)
{
  main();
  for (;;)
    ;
}
`;
const HELPER_H = `int leaf(void);
static inline __attribute__((always_inline)) int square(int x)
{
  return x * x;
}
`;
const LEAF_S = `        .text
        .globl leaf
        .type leaf, @function
leaf:
        # a comment
        xor %eax, %eax
        inc %eax

        ret
        .size leaf, . - leaf
        .section .note.GNU-stack,"",@progbits
`;
const LEAF_ASM = `section .text
global leaf
leaf:
  ; a comment
  xor eax, eax
  inc eax

  ret
section .note.GNU-stack noalloc noexec nowrite progbits
`;

export interface Recipe {
  readonly name: string;
  readonly flags: readonly string[];
  readonly assembler: 'gas' | 'nasm';
}

export const RECIPES: readonly Recipe[] = [
  { name: 'dwarf-2', flags: ['-gdwarf-2', '-O0'], assembler: 'gas' },
  { name: 'dwarf-3', flags: ['-gdwarf-3', '-O1'], assembler: 'gas' },
  { name: 'dwarf-4', flags: ['-gdwarf-4', '-O0'], assembler: 'gas' },
  { name: 'dwarf-4 -O2', flags: ['-gdwarf-4', '-O2'], assembler: 'gas' },
  { name: 'dwarf-5', flags: ['-gdwarf-5', '-O0'], assembler: 'gas' },
  { name: 'dwarf-5 -O2', flags: ['-gdwarf-5', '-O2', '-ffunction-sections'], assembler: 'gas' },
  { name: '64-bit dwarf-5', flags: ['-gdwarf-5', '-gdwarf64', '-O1'], assembler: 'gas' },
  { name: '64-bit dwarf-4', flags: ['-gdwarf-4', '-gdwarf64', '-O1'], assembler: 'gas' },
  { name: 'i386 dwarf-4', flags: ['-gdwarf-4', '-m32', '-O1'], assembler: 'gas' },
  { name: 'i386 dwarf-5', flags: ['-gdwarf-5', '-m32', '-O0'], assembler: 'gas' },
  { name: 'compressed', flags: ['-gdwarf-5', '-O1', '-gz=zlib'], assembler: 'gas' },
  { name: 'GNU-compressed', flags: ['-gdwarf-4', '-O1', '-gz=zlib-gnu'], assembler: 'gas' },
  {
    name: 'high half',
    flags: ['-gdwarf-5', '-O1', '-mcmodel=kernel', '-Wl,-Ttext=0xffffffff80001000'],
    assembler: 'gas',
  },
  { name: 'nasm', flags: ['-gdwarf-4', '-O1'], assembler: 'nasm' },
  { name: 'nasm i386', flags: ['-gdwarf-5', '-m32', '-O0'], assembler: 'nasm' },
  { name: '.debug_frame', flags: ['-gdwarf-4', '-O2', '-fno-asynchronous-unwind-tables'], assembler: 'gas' },
];

export class Fixtures {
  readonly directory = mkdtempSync(join(tmpdir(), 'strata-symbols-'));
  readonly #built = new Map<string, { readonly path: string; readonly bytes: Uint8Array }>();

  constructor() {
    writeFileSync(join(this.directory, 'main.c'), MAIN_C);
    writeFileSync(join(this.directory, 'helper.h'), HELPER_H);
    writeFileSync(join(this.directory, 'leaf.S'), LEAF_S);
    writeFileSync(join(this.directory, 'leaf.asm'), LEAF_ASM);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** The program of a recipe, built at first use: static, freestanding, entry `_start`. */
  build(recipe: Recipe): { readonly path: string; readonly bytes: Uint8Array } {
    const known = this.#built.get(recipe.name);
    if (known !== undefined) return known;
    const path = join(this.directory, recipe.name.replaceAll(/\W+/g, '-'));
    const isNarrow = recipe.flags.includes('-m32');
    let leaf = 'leaf.S';
    if (recipe.assembler === 'nasm') {
      leaf = `${path}.leaf.o`;
      run('nasm', ['-f', isNarrow ? 'elf32' : 'elf64', '-g', '-F', 'dwarf', '-o', leaf, 'leaf.asm'], this.directory);
    }
    const common = ['-ffreestanding', '-fno-stack-protector', '-nostdlib', '-static', '-fno-pie', '-no-pie'];
    run('gcc', [...common, ...recipe.flags, '-o', path, 'main.c', leaf], this.directory);
    const built = { path, bytes: new Uint8Array(readFileSync(path)) };
    this.#built.set(recipe.name, built);
    return built;
  }
}

export function run(tool: string, args: readonly string[], directory?: string): string {
  return execFileSync(tool, args, { cwd: directory, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
