import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadFlat } from '../boot/flat';
import { createMachine, type LoadableMachine } from './machine';

const MEMORY = 1 << 20;
const LOAD_AT = 0x8000;

/** Assembles real-mode code for LOAD_AT, where both the loader and a start-up message with vector 8 begin. */
function boot(source: string, processors: number, turn?: number): LoadableMachine {
  const folder = mkdtempSync(join(tmpdir(), 'strata-'));
  try {
    const prologue = 'mov ax, 0xf000\nmov ss, ax\nxor ax, ax\nmov ds, ax\n';
    writeFileSync(join(folder, 'guest.asm'), `bits 16\norg ${LOAD_AT}\n${prologue}${source}`);
    execFileSync('nasm', ['-f', 'bin', '-o', join(folder, 'guest.bin'), join(folder, 'guest.asm')]);
    const machine = createMachine({ memory: MEMORY, cpuModel: 'strata', seed: 1n, processors, turn });
    const code = readFileSync(join(folder, 'guest.bin'));
    const loaded = loadFlat(code, { name: 'guest', memory: MEMORY, loadAddress: LOAD_AT, mode: 16 });
    assert.ok(loaded.ok);
    machine.load(loaded.image);
    return machine;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Goes to `first` on the bootstrap processor, to `other` on those it starts; x2APIC serves real mode. */
const BOTH = `
        mov     ecx, 0x1b
        rdmsr
        test    eax, 0x100
        jz      other
        or      eax, 0x400
        wrmsr
        mov     ecx, 0x830
        xor     edx, edx
        mov     eax, 0xc4500
        wrmsr
        mov     eax, 0xc4608
        wrmsr
        jmp     first
`;

test('a machine has 1 to 8 processors', () => {
  for (const processors of [0, 9, 1.5]) {
    const config = { memory: MEMORY, cpuModel: 'strata', seed: 1n, processors } as const;
    assert.throws(() => createMachine(config), /The number of processors must be a whole number from 1 to 8/);
  }
  assert.throws(
    () => createMachine({ memory: MEMORY, cpuModel: 'strata', seed: 1n, processors: 2, turn: 0 }),
    /The length of a turn/,
  );
});

test('processors other than the first wait for a start-up message', () => {
  const machine = boot('jmp $\n', 3);
  machine.run(1000);
  assert.deepEqual(
    machine.layers.map(({ activity }) => activity),
    ['active', 'wait-for-SIPI', 'wait-for-SIPI'],
  );
  assert.equal(machine.current.processor, 0);
});

test('running processors have turns of equal length', () => {
  const machine = boot(`${BOTH}first:\nother: inc edi\njmp other\n`, 2, 100);
  machine.run(20_000);
  const [one, two] = machine.layers.map((layer) => Number(machine.state(layer).gpr(7)));
  assert.ok(Math.abs(one - two) <= 60, `${one} and ${two} rounds`);
});

test('the machine is halted when every processor is and nothing can wake one', () => {
  const machine = boot(`${BOTH}first:\nother: cli\nhlt\n`, 4);
  assert.equal(machine.run(100_000).kind, 'halted');
  assert.deepEqual(
    machine.layers.map(({ activity }) => activity),
    ['halted', 'halted', 'halted', 'halted'],
  );
  assert.ok(machine.time < 200n);
});

test('a triple fault of one processor shuts the machine down and names it', () => {
  const machine = boot(`${BOTH}first: jmp first\nother: o32 lidt [none]\nud2\nnone: dw 0, 0, 0\n`, 2);
  const stop = machine.run(100_000);
  assert.ok(stop.kind === 'shutdown' && stop.cause === 'triple-fault');
  assert.equal(stop.chain[0].vector, 6);
  assert.equal(machine.current.processor, 1);
  assert.equal(machine.run(100).kind, 'shutdown', 'and stays so');
});

test('PAUSE gives the turn up', () => {
  const machine = boot(`${BOTH}first: pause\ninc edi\njmp first\nother: inc edi\njmp other\n`, 2, 1000);
  machine.run(100_000);
  const [waiting, working] = machine.layers.map((layer) => Number(machine.state(layer).gpr(7)));
  assert.ok(working > 100 * waiting, `${waiting} and ${working} rounds`);
});

test('a step is of the processor named, whoever’s turn it is', () => {
  const machine = boot(`${BOTH}first: inc edi\njmp first\nother: inc edi\njmp other\n`, 3, 100);
  machine.run(5_000);
  for (const processor of [2, 0, 1, 1]) {
    const [layer] = machine.layers.filter((one) => one.processor === processor);
    const before = machine.state(layer).rip;
    machine.step(processor);
    assert.equal(machine.current.processor, processor);
    assert.notEqual(machine.state(machine.current).rip, before);
  }
});

test('a processor that stands at a breakpoint does not keep another from being stepped', () => {
  const machine = boot(`${BOTH}first: nop\nhere: inc edi\n.l: jmp .l\nother: inc edi\njmp other\n`, 2, 100);
  const rest = (processor: number) => machine.layers.filter((layer) => layer.processor === processor)[0];
  const nop = Buffer.from(machine.peekPhysical(LOAD_AT, 256)).indexOf(Buffer.from([0x90, 0x66, 0x47]));
  machine.setBreakpoints([{ linear: BigInt(LOAD_AT + nop + 1), layer: undefined }]);
  assert.equal(machine.run(10_000).kind, 'breakpoint');
  assert.equal(machine.current.processor, 0);
  assert.equal(machine.step(1).kind, 'limit');
  assert.equal(machine.current.processor, 1);
  assert.equal(machine.state(rest(0)).gpr(7), 1n, 'the first has gone on');
});

test('a processor that was seen at a breakpoint is not stopped there again', () => {
  const machine = boot(`${BOTH}first: mov edi, 5\nhere: inc edi\n.l: jmp .l\nother: jmp first\n`, 2, 100);
  const inc = Buffer.from(machine.peekPhysical(LOAD_AT, 256)).indexOf(Buffer.from([0x66, 0x47]));
  machine.setBreakpoints([{ linear: BigInt(LOAD_AT + inc), layer: undefined }]);
  const stopped = [1, 2].map(() => {
    assert.equal(machine.run(10_000).kind, 'breakpoint');
    const { processor } = machine.current;
    // The other one is stepped meanwhile.
    assert.equal(machine.step(1 - processor).kind, 'limit');
    return processor;
  });
  assert.deepEqual(stopped, [0, 1]);
  assert.equal(machine.run(10_000).kind, 'limit');
});

test('registers of a processor that waits for its turn can be read and written, and its turn finds them', () => {
  const machine = boot(
    `${BOTH}first: jmp first\nother: test edi, edi\njz other\nmov [0x7000], edi\ncli\nhlt\n`,
    2,
    100,
  );
  machine.run(5_000);
  while (machine.current.processor !== 0) machine.run(7);
  const [, layer] = machine.layers;
  assert.equal(machine.state(layer).setRegister('EDI', 0x1234n), undefined);
  assert.equal(machine.state(layer).gpr(7), 0x1234n);
  assert.equal(machine.state(machine.current).gpr(7), 0n);
  machine.run(1_000);
  assert.equal(Buffer.from(machine.peekPhysical(0x7000, 4)).readUInt32LE(), 0x1234);
});
