import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { AdapterClient, sample } from './test-client';

const GUEST = 1000;
let image = '';
let client: AdapterClient;

async function set(variablesReference: number, name: string, value: string): Promise<string> {
  return (await client.setVariableRequest({ variablesReference, name, value })).body.value;
}

interface Read {
  readonly address: string;
  readonly data: string;
  readonly unreadableBytes?: number;
}

async function read(memoryReference: string, count: number, offset = 0): Promise<Read> {
  return (await client.customRequest('readMemory', { memoryReference, count, offset })).body as Read;
}

describe('the state of a layer', () => {
  before(async () => {
    image = sample('hello-vmx');
    client = await AdapterClient.begin();
    // Symbols for the guest alone: the VMM's code has no names.
    await client.prepare({ program: image, symbols: [{ file: image, layer: 1 }] });
    await client.setExceptionBreakpointsRequest({
      filters: [],
      filterOptions: [{ filterId: 'vm-exit', condition: 'exit == CPUID' }],
    });
    await client.pauseAfter(() => client.configurationDoneRequest());
  });
  after(() => client.stop());

  it('has the names of the symbols that are for it, and no others', async () => {
    const names = async (id: number): Promise<readonly string[]> => (await client.frames(id)).map(({ name }) => name);
    assert.match((await names(1))[0], /^0x[0-9a-f]+$/);
    assert.ok((await names(GUEST)).includes('guest_main'));
    const { modules } = (await client.customRequest('modules', {})).body as { modules: { symbolStatus: string }[] };
    assert.match(modules[0].symbolStatus, /for layer 1$/);
  });

  it('is changed by a value typed over the one shown, with its explanation left behind', async () => {
    const guest = await client.children(GUEST, 'VMCS', 'Guest-state area');
    const cr4 = guest.variables.find(({ name }) => name === 'GUEST_CR4')?.value ?? '';
    assert.match(cr4, /^0x[0-9a-f]+ \[.*PAE.*\]$/);
    assert.equal(await set(guest.reference, 'GUEST_CR4', cr4), cr4);
    const entry = await client.children(GUEST, 'VMCS', 'VM-entry control fields');
    const info = await set(entry.reference, 'VM_ENTRY_INTR_INFO', '0x80000020');
    assert.match(info, /^0x80000020 {2}/);
    assert.match(
      await set(entry.reference, 'VM_ENTRY_INTR_INFO', info.replace('0x80000020', '0x00000000')),
      /^0x00000000/,
    );
    const controls = await client.children(GUEST, 'VMCS', 'VM-execution control fields', 'CPU_BASED_VM_EXEC_CONTROL');
    assert.match(await set(controls.reference, 'HLT exiting', '0'), /^0 /);
    assert.match(await set(controls.reference, 'HLT exiting', '1  (bit 7)'), /^1 /);
  });

  it('is not changed by what does not fit, is not there or cannot be written', async () => {
    const refused = async (scope: readonly string[], name: string, value: string): Promise<string> => {
      const { reference } = await client.children(GUEST, ...scope);
      return (await client.failure('setVariable', { variablesReference: reference, name, value })) ?? 'none';
    };
    assert.match(
      await refused(['VMCS', 'Guest-state area'], 'GUEST_ES_SELECTOR', '0x12345'),
      /has 16 bits; 0x12345 does not fit/,
    );
    assert.match(await refused(['VMCS', 'VM-exit information fields'], 'EXIT_QUALIFICATION', '1'), /cannot be changed/);
    assert.match(await refused(['Registers'], 'R99', '1'), /no variable "R99"/);
    assert.match(await refused(['Counters'], 'Time', '1'), /"Time" cannot be changed/);
  });

  it('is read as far as it is mapped, and says how much is not', async () => {
    const whole = await read('1:0x100000', 8);
    assert.equal(Buffer.from(whole.data, 'base64').readUInt32LE(0), 0x1bad_b002);
    const none = await read('0xffff800000000000', 16);
    assert.deepEqual([none.data, none.unreadableBytes], ['', 16]);
    const top = await read('0xfffffffffffffff0', 64);
    assert.equal(top.unreadableBytes, 64);
    const huge = await read('0x100000', Number.MAX_SAFE_INTEGER);
    assert.ok(Buffer.from(huge.data, 'base64').length + (huge.unreadableBytes ?? 0) >= 0x100_0000);
    assert.equal((await read('0x100010', 4, -0x10)).address, '0x100000');
  });

  it('is written in its own address space, in part only where that is allowed', async () => {
    const data = Buffer.alloc(16, 0xa5).toString('base64');
    const write = { memoryReference: '0xffff800000000000', data };
    assert.match((await client.failure('writeMemory', write)) ?? '', /Not all of the 16 bytes/);
    const partial = await client.customRequest('writeMemory', { ...write, allowPartial: true });
    assert.deepEqual(partial.body, { bytesWritten: 0 });
    assert.match((await client.failure('writeMemory', { ...write, data: '*' })) ?? '', /"data" must be base64/);
    const stack = /^0x[0-9a-f]+/.exec(await client.evaluate('vmcs.GUEST_RSP'))?.[0] ?? '';
    await client.customRequest('writeMemory', { memoryReference: `${GUEST}:${stack}`, offset: -64, data });
    assert.equal((await read(`${GUEST}:${stack}`, 16, -64)).data, data);
  });

  it('is disassembled by as many instructions as asked for, mapped or not, at either end of the address space', async () => {
    for (const [memoryReference, instructionOffset, instructionCount] of [
      ['0x0', -50, 100],
      ['0xfffffffffffffff8', -4, 40],
      ['0xffff800000000000', -50, 100],
      [`${GUEST}:0x400145`, -200, 400],
      ['0x101900', 10, 20],
      ['0x101900', -50, 10],
    ] as const) {
      const args = { memoryReference, instructionOffset, instructionCount };
      const { instructions } = (await client.disassembleRequest(args)).body ?? { instructions: [] };
      assert.equal(instructions.length, instructionCount, memoryReference);
    }
  });
});
