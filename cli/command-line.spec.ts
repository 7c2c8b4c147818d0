import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Layer, LayerState, MachineConfig, Stop, StopMask, Transition } from '../emulator/api';
import type { LoadedImage } from '../emulator/boot/loaded-image';
import { commandLine } from './command-line';
import { WriteFailure, type BootableMachine, type CliHost, type Sink } from './host';

/** Smallest Multiboot image: the header with load addresses, and HLT. */
const IMAGE = new Uint8Array(
  Uint32Array.of(0x1bad_b002, 0x1_0000, -(0x1bad_b002 + 0x1_0000), 0x10_0000, 0x10_0000, 0, 0, 0x10_0020, 0xf4f4f4f4)
    .buffer,
);

const FAILURE = {
  id: 'guest.cr0',
  section: 'Checks on Guest Control Registers',
  rule: 'CR0.PE must be 1.',
  fields: [{ name: 'GUEST_CR0', value: 0x20n }],
  required: 'bit 0 = 1',
  actual: 'bit 0 = 0',
  remedy: 'Set CR0.PE.',
};

function transition(kind: Transition['kind'], reason: number, number: number): Transition {
  const root = { level: 0, vmcs: null };
  const guest = { level: 1, vmcs: 0x5000n };
  return {
    number,
    time: 100n,
    processor: 0,
    kind,
    from: kind === 'exit' ? guest : root,
    to: kind === 'exit' ? root : guest,
    vmcs: 0x5000n,
    reason,
    qualification: 0n,
    rip: 0x1234n,
    instructionLength: 2,
    instructionInfo: 0,
    guestPhysical: 0n,
    guestLinear: 0n,
    interruptionInfo: 0,
    interruptionErrorCode: 0,
    failures: kind === 'entry-failure' ? [FAILURE] : [],
  };
}

interface Script {
  readonly stop: Stop;
  readonly retire?: number;
  readonly serial?: string;
}

/** A machine that does what it is told, one line of the script a run. */
function scripted(script: readonly Script[], config: MachineConfig): BootableMachine & { image?: LoadedImage } {
  let line = 0;
  let retired = 0n;
  const transitions: Transition[] = [];
  const layer: Layer = {
    id: 1,
    processor: 0,
    level: 0,
    vmcs: null,
    parent: undefined,
    running: true,
    activity: 'active',
    left: undefined,
  };
  const unused = (): never => {
    throw new Error('not part of the script');
  };
  const state = { rip: 0xabcn, gpr: () => 0n } as unknown as LayerState;
  const stopMask: StopMask = { exit: false, entry: false, entryFailure: false, vmfail: false, tripleFault: false };
  return {
    config,
    stopMask,
    onOutput: () => undefined,
    get time() {
      return retired;
    },
    get retired() {
      return retired;
    },
    load(image) {
      this.image = image;
    },
    run(instructions) {
      for (;;) {
        const step = script[Math.min(line++, script.length - 1)];
        retired += BigInt(Math.min(step.retire ?? 10, instructions));
        if (step.serial !== undefined) this.onOutput('serial', Buffer.from(step.serial));
        if (step.stop.kind === 'transition') {
          transitions.push(step.stop.transition);
          if (!stopMask.exit) continue;
        }
        return step.stop;
      }
    },
    step: unused,
    setBreakpoints: unused,
    layers: [layer],
    current: layer,
    state: () => state,
    transitions,
    get lastTransition() {
      return transitions.at(-1);
    },
    get exitCounts() {
      const counts = new Map<number, number>();
      for (const { kind, reason } of transitions)
        if (kind === 'exit') counts.set(reason, (counts.get(reason) ?? 0) + 1);
      return counts;
    },
    readVmcs: () => undefined,
    writeVmcs: unused,
    checkVmcs: unused,
    capabilities: new Map(),
    peekPhysical: unused,
    input: unused,
    snapshot: unused,
    restore: unused,
    stateHash: () => 'cafe',
  };
}

interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly files: ReadonlyMap<string, string>;
  readonly image: LoadedImage | undefined;
  readonly config: MachineConfig | undefined;
}

async function strata(
  words: readonly string[],
  script: readonly Script[] = [{ stop: { kind: 'poweroff', status: 0, reset: false } }],
): Promise<Outcome> {
  const files = new Map([
    ['stdout', ''],
    ['stderr', ''],
  ]);
  const sink = (name: string): Sink => ({
    write: (bytes) => {
      files.set(name, (files.get(name) ?? '') + Buffer.from(bytes).toString());
      return Promise.resolve();
    },
    end: () => Promise.resolve(),
  });
  let machine: ReturnType<typeof scripted> | undefined;
  const host: CliHost = {
    stdout: sink('stdout'),
    stderr: sink('stderr'),
    colors: false,
    createMachine: (config) => (machine = scripted(script, config)),
    readFile: (path) => {
      if (path === 'k.elf') return IMAGE;
      if (path === 'm.img') return Uint8Array.of(1, 2);
      throw Object.assign(new Error(path), { code: path === 'folder' ? 'EISDIR' : 'ENOENT' });
    },
    openFile: (path) => {
      if (path.startsWith('/no/')) throw Object.assign(new Error(path), { code: 'ENOENT' });
      const full = new WriteFailure(`--serial ${path}: cannot be written.`);
      return path === '/full' ? { ...sink(path), write: () => Promise.reject(full) } : sink(path);
    },
    now: () => 1500,
    interrupted: () => false,
    breathe: () => Promise.resolve(),
  };
  const status = await commandLine(words, host);
  return {
    status,
    stdout: files.get('stdout') ?? '',
    stderr: files.get('stderr') ?? '',
    files,
    image: machine?.image,
    config: machine?.config,
  };
}

test('the serial port goes to standard output and the summary to standard error', async () => {
  const exit = transition('exit', 10, 1);
  const got = await strata(
    ['run', 'k.elf'],
    [
      { stop: { kind: 'transition', transition: exit }, serial: 'hello ' },
      { stop: { kind: 'poweroff', status: 33, reset: false }, serial: 'world\n', retire: 123_400 },
    ],
  );
  assert.equal(got.stdout, 'hello world\n');
  assert.equal(got.status, 33);
  assert.match(got.stderr, /powered off with status 33/);
  assert.match(got.stderr, /instructions\s+123,410 in 0\.000 s/);
  assert.match(got.stderr, /VM exits\s+1: CPUID 1/);
});

test('every ending has its exit status', async () => {
  const endings: readonly (readonly [Stop, number])[] = [
    [{ kind: 'poweroff', status: 0, reset: false }, 0],
    [{ kind: 'poweroff', status: 255, reset: false }, 255],
    [{ kind: 'halted' }, 3],
    [{ kind: 'shutdown', cause: 'triple-fault', chain: [] }, 4],
    [{ kind: 'shutdown', cause: 'vmx-abort', chain: [] }, 4],
  ];
  for (const [stop, status] of endings) assert.equal((await strata(['run', 'k.elf'], [{ stop }])).status, status);
});

test('the instruction limit is exact and gives status 124', async () => {
  const got = await strata(
    ['run', 'k.elf', '--max-instructions', '1_000', '--json'],
    [{ stop: { kind: 'limit' }, retire: 300 }],
  );
  assert.equal(got.status, 124);
  const summary: unknown = JSON.parse(got.stderr);
  assert.ok(typeof summary === 'object' && summary !== null && 'instructions' in summary && 'ended' in summary);
  assert.equal(summary.instructions, 1000);
  assert.equal(summary.ended, 'limit');
});

test('a triple fault is told as the chain of its exceptions', async () => {
  const chain = [
    { vector: 14, errorCode: 2, rip: 0x1000n, cr2: 0xdead000n, reason: 'The IDT entry is not present.' },
    { vector: 8, errorCode: 0, rip: 0x1000n, cr2: 0n, reason: 'The IDT is empty.' },
  ];
  const script: readonly Script[] = [{ stop: { kind: 'shutdown', cause: 'triple-fault', chain } }];
  const human = await strata(['run', 'k.elf'], script);
  assert.match(
    human.stderr,
    /1\. #PF page fault at 0x1000, error code 0x2, CR2 0xdead000: The IDT entry is not present\./,
  );
  assert.match(human.stderr, /2\. #DF double fault/);
  const json = await strata(['run', 'k.elf', '--json'], script);
  assert.match(json.stderr, /"cr2":"0xdead000","reason":"The IDT entry is not present\."/);
});

test('a guest that ends on a failed VM entry is told which checks failed', async () => {
  const failed = transition('entry-failure', 33, 7);
  const script: readonly Script[] = [
    { stop: { kind: 'transition', transition: failed } },
    { stop: { kind: 'halted' } },
  ];
  const human = await strata(['run', 'k.elf'], script);
  assert.equal(human.status, 3);
  for (const part of ['CR0.PE must be 1.', 'GUEST_CR0 = 0x20', 'required: bit 0 = 1', 'remedy:   Set CR0.PE.']) {
    assert.ok(human.stderr.includes(part), part);
  }
  const json = await strata(['run', 'k.elf', '--json'], script);
  assert.match(json.stderr, /"failedEntry":\{"number":7,"kind":"entry-failure".*"value":"0x20"/);
});

test('--break stops at the first transition for which the condition holds, with status 5', async () => {
  const script: readonly Script[] = [
    { stop: { kind: 'transition', transition: transition('exit', 12, 1) } },
    { stop: { kind: 'transition', transition: transition('exit', 10, 2) } },
    { stop: { kind: 'poweroff', status: 0, reset: false } },
  ];
  const got = await strata(['run', 'k.elf', '--break', 'exit == CPUID'], script);
  assert.equal(got.status, 5);
  assert.match(got.stderr, /^Break: VM exit 2: CPUID/);
  assert.equal((await strata(['run', 'k.elf', '--break', 'exit == RDMSR'], script)).status, 0);
});

test('files, command line, memory and load addresses reach the loader', async () => {
  const got = await strata([
    'run',
    'k.elf',
    '--cmdline',
    'a b',
    '--module',
    'm.img root=1',
    '--module',
    'm.img',
    '--memory',
    '64M',
    '--cpu',
    'haswell-ep',
    '--cpus',
    '2',
    '--seed',
    '7',
  ]);
  assert.equal(got.status, 0);
  assert.deepEqual(got.config, { memory: 64 << 20, cpuModel: 'haswell-ep', processors: 2, seed: 7n });
  assert.deepEqual(
    got.image?.pieces.slice(1, 3).map((piece) => piece.physical),
    [0x10_1000, 0x10_2000],
  );
  const info = Buffer.from(got.image?.pieces[3].bytes ?? []).toString();
  assert.ok(info.includes('a b\0m.img root=1\0m.img\0'));
  const flat = await strata(['run', 'm.img', '--load-address', '0x7000', '--entry', '0x7001']);
  assert.equal(flat.image?.entry.rip, 0x7001);
});

test('--serial writes to a file', async () => {
  const got = await strata(
    ['run', 'k.elf', '--serial', 'out.log'],
    [{ stop: { kind: 'poweroff', status: 0, reset: false }, serial: 'text' }],
  );
  assert.equal(got.stdout, '');
  assert.equal(got.files.get('out.log'), 'text');
});

test('bad input gives one sentence that names the place, and status 2', async () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['missing.elf'], /^strata: missing\.elf: there is no such file; check the path\.\n$/],
    [['folder'], /^strata: folder: this is a folder, not a file\.\n$/],
    [['m.img'], /^strata: m\.img: neither a Multiboot image nor an ELF file/],
    [['k.elf', '--memory', '5M3'], /^strata: --memory 5M3: not a size/],
    [['k.elf', '--memory', '4G'], /^strata: --memory 4G: RAM must be .* at most 3G/],
    [['k.elf', '--memory', '1K'], /^strata: --memory 1K: RAM must be a multiple of 64K/],
    [['k.elf', '--max-instructions', 'many'], /^strata: --max-instructions many: not a number of instructions/],
    [['k.elf', '--module', 'none.img x'], /^strata: none\.img: there is no such file/],
    [['k.elf', '--break', 'exit =='], /^strata: --break: Column \d+: /],
    [['k.elf', '--cpu', '486'], /^strata: --cpu 486: not a processor model; there are strata, classic, /],
    [['k.elf', '--cpus', '9'], /^strata: --cpus 9: the number of processors is 1 to 8/],
    [['k.elf', '--seed', '-1'], /^strata: --seed -1: not a number of at most 64 bits/],
    [['k.elf', '--seed', '0x10000000000000000'], /^strata: --seed 0x10000000000000000: not a number/],
    [['k.elf', '--serial', '/no/where'], /^strata: --serial \/no\/where: there is no such/],
    [['k.elf', '--entry', '0x10'], /^strata: --entry is for flat binaries/],
    [['k.elf', '--load-address', 'x'], /^strata: --load-address x: not an address/],
    [['k.elf', '--nonsense'], /^strata: unknown option '--nonsense'; see strata run --help\.\n$/],
    [['k.elf', 'l.elf'], /^strata: too many arguments/],
    [[], /^strata: missing required argument 'image'/],
  ];
  for (const [words, pattern] of cases) {
    const got = await strata(['run', ...words]);
    assert.equal(got.status, 2, words.join(' '));
    assert.match(got.stderr, pattern);
    assert.equal(got.stderr.trim().split('\n').length, 1, got.stderr);
    assert.equal(got.image, undefined);
  }
});

test('a full disk behind --serial is one sentence, and status 2', async () => {
  const script: readonly Script[] = [{ stop: { kind: 'poweroff', status: 33, reset: false }, serial: 'text' }];
  const got = await strata(['run', 'k.elf', '--serial', '/full'], script);
  assert.deepEqual([got.status, got.stderr], [2, 'strata: --serial /full: cannot be written.\n']);
});

test('with --json every refusal is one line of JSON, also that of an option', async () => {
  for (const words of [['missing.elf'], ['k.elf', '--nonsense'], ['k.elf', 'l.elf'], ['k.elf', '--memory', '1'], []]) {
    const got = await strata(['run', ...words, '--json']);
    const refusal = JSON.parse(got.stderr) as {
      readonly ended: string;
      readonly status: number;
      readonly error: string;
    };
    assert.deepEqual([refusal.ended, refusal.status, got.status], ['bad-input', 2, 2]);
    assert.match(refusal.error, /^[^\n]+\.$/);
  }
});

test('help teaches with examples and exit statuses, and is no error', async () => {
  const got = await strata(['run', '--help']);
  assert.equal(got.status, 0);
  for (const part of [
    '--break <condition>',
    "strata run hello-vmx.elf --break 'exit == CPUID",
    'Exit status:',
    '124',
  ]) {
    assert.ok(got.stdout.includes(part), part);
  }
});
