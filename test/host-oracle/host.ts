import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { COMPARED_FLAGS, LAYOUT, STATE, STATE_SIZE, viewOf, type Case, type Outcome } from './case';

const SOURCE = join(__dirname, 'harness.c');
const CACHE = join(__dirname, '..', '..', '.cache', 'host-oracle');
const BINARY = join(CACHE, 'harness');

/*
 * Layout of a case:     0 u16 length | 2 code[318] | 320 state
 * Layout of an outcome: 0 u32 vector | 4 u32 error code | 8 cr2 | 16 rip | 32 state
 */
const CASE_STATE = 320;
const INPUT_SIZE = CASE_STATE + STATE_SIZE;
const OUTCOME_STATE = 32;
const OUTCOME_SIZE = OUTCOME_STATE + STATE_SIZE;

/** Builds the harness if it is older than its source. */
function build(): void {
  if (existsSync(BINARY) && statSync(BINARY).mtimeMs >= statSync(SOURCE).mtimeMs) return;
  mkdirSync(CACHE, { recursive: true });
  execFileSync('gcc', ['-O2', '-Wall', '-Wextra', '-o', BINARY, SOURCE]);
}

function encode(cases: readonly Case[]): Uint8Array {
  const bytes = new Uint8Array(cases.length * INPUT_SIZE);
  const view = new DataView(bytes.buffer);
  cases.forEach(({ code, state }, i) => {
    const at = i * INPUT_SIZE;
    if (code.length > LAYOUT.maxCode) throw new Error(`a snippet of ${code.length} bytes is too long`);
    view.setUint16(at, code.length, true);
    bytes.set(code, at + 2);
    bytes.set(state, at + CASE_STATE);
    const flags = at + CASE_STATE + STATE.flags;
    view.setUint32(flags, view.getUint32(flags, true) | 0x202, true);
  });
  return bytes;
}

function decode(bytes: Uint8Array, index: number): Outcome {
  const view = new DataView(bytes.buffer, bytes.byteOffset + index * OUTCOME_SIZE, OUTCOME_SIZE);
  const state = bytes.slice(index * OUTCOME_SIZE + OUTCOME_STATE, (index + 1) * OUTCOME_SIZE);
  const flags = viewOf(state).getUint32(STATE.flags, true);
  viewOf(state).setUint32(STATE.flags, flags & COMPARED_FLAGS, true);
  return {
    vector: view.getUint32(0, true),
    errorCode: view.getUint32(4, true),
    cr2: view.getBigUint64(8, true),
    rip: view.getBigUint64(16, true),
    state,
  };
}

/** Runs the cases on the processor this runs on; needs Linux on x86-64 and gcc. */
export function runOnHost(cases: readonly Case[]): readonly Outcome[] {
  build();
  const { status, signal, stdout } = spawnSync(BINARY, {
    input: encode(cases),
    maxBuffer: cases.length * OUTCOME_SIZE + 1024,
  });
  if (status !== 0 || stdout.length !== cases.length * OUTCOME_SIZE) {
    throw new Error(`the harness ended with status ${status}, signal ${signal} and ${stdout.length} bytes`);
  }
  // Slices of a Buffer would share its memory.
  const bytes = new Uint8Array(stdout.buffer, stdout.byteOffset, stdout.length);
  return cases.map((_, i) => decode(bytes, i));
}

/** A CPUID leaf of the processor this runs on; zeros where it has no such leaf. */
export function hostCpuid(leaf: number, subleaf: number): Readonly<Record<'eax' | 'ebx' | 'ecx' | 'edx', number>> {
  build();
  const text = execFileSync(BINARY, ['cpuid', String(leaf), String(subleaf)], { encoding: 'utf8' });
  const [eax = 0, ebx = 0, ecx = 0, edx = 0] = text.trim().split(' ').map(Number);
  return { eax, ebx, ecx, edx };
}
