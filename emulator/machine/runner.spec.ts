import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { loadFlat } from '../boot/flat';
import { createMachine, type LoadableMachine } from './machine';

const MEMORY = 1 << 20;
const LOAD_AT = 0x1_0000;

/** Assembles 64-bit code for LOAD_AT. */
function assemble(source: string): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'strata-'));
  try {
    writeFileSync(join(folder, 'guest.asm'), `bits 64\norg ${LOAD_AT}\n${source}`);
    execFileSync('nasm', ['-f', 'bin', '-o', join(folder, 'guest.bin'), join(folder, 'guest.asm')]);
    return readFileSync(join(folder, 'guest.bin'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function boot(code: Uint8Array): LoadableMachine {
  const machine = createMachine({ memory: MEMORY, cpuModel: 'strata', seed: 1n });
  const loaded = loadFlat(code, { name: 'guest', memory: MEMORY, loadAddress: LOAD_AT, mode: 64 });
  assert.ok(loaded.ok);
  machine.load(loaded.image);
  return machine;
}

/** Calls, stores, a page-crossing access and a string instruction, for ever. */
const BUSY = assemble(`
        mov     rsp, 0x9000
again:  call    work
        add     rax, [0x7ffd]
        adc     [0x7ffe], eax
        jmp     again
work:   lea     rdi, [0x5000 + rax]
        and     edi, 0x5fff
        mov     ecx, 5
        rep stosb
        inc     rax
        ret
`);

/** An exception handler that raises the same exception. */
const ENDLESS = assemble(`
        lidt    [idtr]
        lea     rax, [handler]
        mov     [idt + 6 * 16], ax
        mov     word [idt + 6 * 16 + 2], 0x18
        mov     word [idt + 6 * 16 + 4], 0x8e01
        shr     rax, 16
        mov     [idt + 6 * 16 + 6], ax
        lgdt    [gdtr]
        lea     rax, [tss]
        mov     [gdt + 4 * 8 + 2], ax
        shr     rax, 16
        mov     [gdt + 4 * 8 + 4], al
        mov     ax, 0x20
        ltr     ax
        ud2
handler:
        ud2
align 8
idtr:   dw      4095
        dq      idt
gdtr:   dw      6 * 8 - 1
        dq      gdt
gdt:    dq      0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff
        dq      0x0000890000000067, 0
tss:    times 36 db 0
        dq      0x9000
        times 60 db 0
align 16
idt:    times 4096 db 0
`);

test('a machine that runs n instructions has retired n, however they are given to it', () => {
  const straight = boot(BUSY);
  assert.equal(straight.run(20_000).kind, 'limit');
  assert.equal(straight.retired, 20_000n);
  const hash = straight.stateHash();
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 40 }), (pieces) => {
      const machine = boot(BUSY);
      let done = 0;
      for (let i = 0; done < 20_000; i++) {
        const piece = Math.min(pieces[i % pieces.length], 20_000 - done);
        assert.equal(machine.run(piece).kind, 'limit');
        done += piece;
        assert.equal(machine.retired, BigInt(done));
      }
      assert.equal(machine.stateHash(), hash);
    }),
    { seed: 20261122, numRuns: 20 },
  );
});

test('breakpoints change nothing but where the machine stops', () => {
  const straight = boot(BUSY);
  straight.run(5_000);
  const stopping = boot(BUSY);
  // The instruction after the first CALL, MOV to RSP being 5 bytes as well.
  stopping.setBreakpoints([{ linear: BigInt(LOAD_AT + 10), layer: undefined }]);
  let stops = 0;
  while (stopping.retired < 5_000n) {
    const stop = stopping.run(5_000 - Number(stopping.retired));
    if (stop.kind === 'breakpoint') stops++;
  }
  assert.ok(stops > 100);
  assert.equal(stopping.stateHash(), straight.stateHash());
});

test('a guest whose exceptions only lead to exceptions is told from one that runs', () => {
  const machine = boot(ENDLESS);
  machine.run(15);
  let turns = 0;
  for (;;) {
    const stop = machine.run(1_000_000);
    if (stop.kind === 'livelock') break;
    assert.equal(stop.kind, 'limit');
    assert.ok(++turns < 10_000, 'the caller gets a look now and then');
  }
  assert.ok(turns > 10);
  assert.ok(machine.retired <= 15n);
});

test('HLT that nothing can end stops the machine and says so', () => {
  assert.equal(boot(assemble('cli\nhlt\n')).run(100).kind, 'halted');
});

test('time does not go on to events that lie behind the end of time', () => {
  const quiet = 'mov al, 0xff\nout 0x21, al\nout 0xa1, al\n';
  const farMatch = 'mov eax, 0xfed00000\nmov dword [rax + 0x100], 0x2804\nmov dword [rax + 0x10], 1\n';
  const farDeadline = `
        mov     ecx, 0x1b
        rdmsr
        or      eax, 0x400
        wrmsr
        mov     ecx, 0x832
        xor     edx, edx
        mov     eax, 0x40040
        wrmsr
        mov     ecx, 0x6e0
        mov     eax, -16
        mov     edx, -1
        wrmsr
  `;
  for (const far of [farMatch, farDeadline]) {
    const machine = boot(assemble(`${quiet}${far}sti\nhlt\n`));
    assert.equal(machine.run(100).kind, 'halted');
    assert.ok(machine.time < 100n);
  }
});

test('a triple fault tells its story', () => {
  const machine = boot(assemble('lidt [idtr]\nud2\nidtr: dw 0\ndq 0\n'));
  const stop = machine.run(100);
  assert.ok(stop.kind === 'shutdown' && stop.cause === 'triple-fault');
  // No descriptor for #UD is #GP, and none for #GP is a double fault.
  assert.deepEqual(
    stop.chain.map(({ vector }) => vector),
    [6, 13, 8],
  );
});

test('looking at the layers changes nothing', () => {
  const machine = boot(BUSY);
  const before = machine.stateHash();
  assert.deepEqual([machine.layers.length, machine.current.level], [1, 0]);
  assert.equal(machine.stateHash(), before);
});

test('a VM entry that MOV SS blocks retires, and does not block the next one', () => {
  const machine = boot(
    assemble(`
        mov     ecx, 0x480              ; IA32_VMX_BASIC: the revision
        rdmsr
        mov     [0x20000], eax
        mov     [0x21000], eax
        mov     rax, cr4
        bts     rax, 13
        mov     cr4, rax
        mov     rax, cr0
        or      rax, 0x20
        mov     cr0, rax
        mov     qword [0x30000], 0x20000
        mov     qword [0x30008], 0x21000
        vmxon   [0x30000]
        vmclear [0x30008]
        vmptrld [0x30008]
        mov     edx, 0x4400             ; VM-instruction error
        mov     ax, ss
        mov     ss, ax
        vmlaunch
        vmread  rbx, rdx
        mov     ss, ax
        vmlaunch
        vmlaunch
        vmread  rsi, rdx
        hlt
`),
  );
  assert.equal(machine.run(100).kind, 'halted');
  const state = machine.state(machine.current);
  assert.deepEqual([state.gpr(3), state.gpr(6)], [26n, 7n], 'blocked by MOV SS; then control fields of zeros');
});

test('a stop keeps its story when the machine goes on elsewhere', () => {
  const machine = boot(assemble('lidt [idtr]\nud2\nidtr: dw 0\ndq 0\n'));
  machine.run(1);
  const before = machine.snapshot();
  const stop = machine.run(10);
  assert.ok(stop.kind === 'shutdown');
  machine.restore(before);
  const state = machine.state(machine.current);
  state.poke(state.rip, Uint8Array.of(0xcc));
  machine.run(10);
  assert.equal(stop.chain[0].vector, 6);
});

test('writing a register what it holds changes nothing', () => {
  const machine = boot(BUSY);
  machine.run(1000);
  const before = machine.stateHash();
  const state = machine.state(machine.current);
  for (const [name, value] of [
    ['RIP', state.rip],
    ['RFLAGS', state.rflags],
    ['CR2', state.control('CR2')],
    ['DR7', state.control('DR7')],
  ] as const) {
    assert.equal(state.setRegister(name, value), undefined);
    assert.equal(machine.stateHash(), before, name);
  }
});

test('REP OUTS does not come back to the caller for every byte', () => {
  const machine = boot(assemble(`mov edx, 0xe9\nmov esi, ${LOAD_AT}\nmov ecx, 1000\nrep outsb\ncli\nhlt\n`));
  let bytes = 0;
  machine.onOutput = (_channel, { length }) => (bytes += length);
  let turns = 1;
  while (machine.run(100).kind === 'limit') turns++;
  assert.equal(bytes, 1000);
  assert.equal(machine.retired, 6n);
  assert.ok(turns < 100, `${turns} turns`);
});

test('HLT with TF set is woken by its own single-step trap', () => {
  const machine = boot(
    assemble(`
        mov     rsp, 0x9000
        lidt    [idtr]
        lgdt    [gdtr]
        lea     rax, [handler]
        mov     [idt + 1 * 16], ax
        mov     word [idt + 1 * 16 + 2], 0x18
        mov     word [idt + 1 * 16 + 4], 0x8e00
        shr     rax, 16
        mov     [idt + 1 * 16 + 6], ax
        push    0x102
        popf
        hlt
behind: jmp     $
handler:
        mov     rbx, [rsp]
        lea     rcx, [behind]
        cli
        hlt
align 8
idtr:   dw      4095
        dq      idt
gdtr:   dw      4 * 8 - 1
        dq      gdt
gdt:    dq      0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff
align 16
idt:    times 4096 db 0
`),
  );
  assert.equal(machine.run(1_000).kind, 'halted');
  const state = machine.state(machine.current);
  assert.notEqual(state.gpr(3), 0n);
  assert.equal(state.gpr(3), state.gpr(1), 'the trap returns behind the HLT');
});
