import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { LayerState } from '../api';
import { loadFlat } from '../boot/flat';
import { createMachine, type LoadableMachine } from './machine';

const MEMORY = 1 << 20;
const LOAD_AT = 0x1_0000;

describe('the state of a running layer', () => {
  let machine: LoadableMachine;
  let state: LayerState;

  beforeEach(() => {
    machine = createMachine({ memory: MEMORY, cpuModel: 'strata', seed: 1n });
    const loaded = loadFlat(Uint8Array.of(0xf4), { name: 'hlt', memory: MEMORY, loadAddress: LOAD_AT, mode: 64 });
    assert.ok(loaded.ok);
    machine.load(loaded.image);
    state = machine.state(machine.current);
  });

  test('has registers of every width at their places', () => {
    assert.equal(state.setRegister('RAX', 0x1122_3344_5566_7788n), undefined);
    assert.equal(state.setRegister('AH', 0xaan), undefined);
    assert.equal(state.gpr(0), 0x1122_3344_5566_aa88n);
    assert.equal(state.setRegister('ax', 0x1n), undefined);
    assert.equal(state.gpr(0), 0x1122_3344_5566_0001n);
    assert.equal(state.setRegister('EAX', 5n), undefined);
    assert.equal(state.gpr(0), 5n, 'a 32-bit write clears the upper half, as the processor does');
    assert.equal(state.setRegister('r9b', 0x7fn), undefined);
    assert.equal(state.gpr(9), 0x7fn);
  });

  test('takes a negative value that fits', () => {
    assert.equal(state.setRegister('CX', -2n), undefined);
    assert.equal(state.gpr(1), 0xfffen);
  });

  test('refuses what is no register or does not fit, in a sentence', () => {
    assert.match(state.setRegister('RQX', 0n) ?? '', /no register RQX/);
    assert.match(state.setRegister('AL', 0x100n) ?? '', /AL has 8 bits; 0x100 does not fit/);
    assert.equal(state.gpr(0), 0n);
  });

  test('changes RIP, flags and segments for the next instruction', () => {
    assert.equal(state.setRegister('RIP', 0x10_0000n), undefined);
    assert.equal(state.setRegister('RFLAGS', 0xcc1n), undefined);
    assert.equal(state.setRegister('FS.base', 0x1234n), undefined);
    assert.equal(state.rip, 0x10_0000n);
    assert.equal(state.rflags, 0xcc3n, 'bit 1 of RFLAGS is always 1');
    assert.equal(state.segment('FS').base, 0x1234n);
  });

  test('refuses control registers that do not agree, and a RIP the mode cannot have', () => {
    const rip = state.rip;
    const cr0 = state.control('CR0');
    const efer = state.control('EFER');
    assert.match(state.setRegister('RIP', 0x8000_0000_0000n) ?? '', /^RIP must be canonical: bits 63 to 47 /);
    assert.match(state.setRegister('CR0', cr0 & ~0x8000_0000n) ?? '', /^EFER\.LMA is 1 exactly while CR0\.PG/);
    assert.match(state.setRegister('CR0', cr0 & ~1n) ?? '', /^CR0\.PG = 1 needs CR0\.PE = 1\./);
    assert.match(state.setRegister('CR4', state.control('CR4') & ~0x20n) ?? '', /needs CR4\.PAE = 1/);
    assert.match(state.setRegister('EFER', efer & ~0x400n) ?? '', /^EFER\.LMA/);
    assert.deepEqual([state.rip, state.control('CR0'), state.control('EFER')], [rip, cr0, efer]);
    assert.equal(state.setRegister('CR0', cr0 | 8n), undefined);
    assert.equal(state.setRegister('RIP', 0xffff_8000_0000_0000n), undefined);
  });

  test('reads and writes memory across pages, up to where nothing is mapped', () => {
    const bytes = Uint8Array.from({ length: 8192 }, (_, i) => i % 251);
    assert.equal(state.poke(0x2_0ff0n, bytes), bytes.length);
    assert.deepEqual(state.peek(0x2_0ff0n, bytes.length), bytes);
    const last = BigInt(MEMORY) - 4n;
    assert.equal(state.peek(last, 16).length, 4);
    assert.equal(state.poke(last, bytes.subarray(0, 16)), 4);
    assert.equal(state.peek(0x8000_0000_0000n, 4).length, 0, 'not canonical');
  });

  test('has no side effect when it is read', () => {
    const before = machine.stateHash();
    state.peek(0x3_0000n, 4096);
    state.control('CR3');
    state.segment('TR');
    assert.equal(machine.stateHash(), before);
  });

  test('is 64-bit code where the boot tables made it so', () => {
    assert.equal(state.codeSize, 64);
    assert.equal(state.eptp, undefined);
    assert.deepEqual(state.translate(BigInt(LOAD_AT)), { layerPhysical: BigInt(LOAD_AT), physical: BigInt(LOAD_AT) });
  });
});
