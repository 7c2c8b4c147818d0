import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BINARY32, BINARY64 } from '../emulator/float/format';
import { extendedText, floatText } from './float-text';
import { AdapterClient, sample } from './test-client';

const SCOPE = 'Floating-point and vector registers';
let client: AdapterClient;

async function set(scope: readonly string[], name: string, value: string): Promise<string> {
  const { reference } = await client.children(1, ...scope);
  return (await client.setVariableRequest({ variablesReference: reference, name, value })).body.value;
}

async function valueOf(scope: readonly string[], name: string): Promise<string | undefined> {
  return (await client.children(1, ...scope)).variables.find((variable) => variable.name === name)?.value;
}

describe('x87 and vector registers', () => {
  before(async () => {
    const image = sample('hello-vmx');
    client = await AdapterClient.begin();
    await client.prepare({ program: image, symbols: [{ file: image, layer: 1 }] });
    await client.setExceptionBreakpointsRequest({
      filters: [],
      filterOptions: [{ filterId: 'vm-exit', condition: 'exit == CPUID' }],
    });
    await client.pauseAfter(() => client.configurationDoneRequest());
  });
  after(() => client.stop());

  it('are a scope of their own, as they are after power-up', async () => {
    const { variables } = await client.children(1, SCOPE);
    assert.deepEqual(
      variables.map(({ name }) => name),
      ['FPU', 'MMX', 'XMM', 'YMM', 'MXCSR'],
    );
    assert.match((await valueOf([SCOPE], 'MXCSR')) ?? '', /^0x00001f80 \[IM DM ZM OM UM PM\]$/);
    assert.match((await valueOf([SCOPE, 'FPU'], 'FCW')) ?? '', /^0x0040/);
  });

  it('take 80, 128 and 256 bits, and show them as the numbers they are', async () => {
    assert.equal(
      await set([SCOPE, 'FPU'], 'ST0', '0x4000c90fdaa22168c235'),
      '0x4000c90fdaa22168c235  3.14159265358979323851',
    );
    assert.equal(await valueOf([SCOPE, 'MMX'], 'MM0'), '0xc90fdaa22168c235');
    assert.equal(
      await set([SCOPE, 'XMM'], 'XMM1', '0x3f80000000000000400921fb54442d18'),
      '0x3f80000000000000400921fb54442d18',
    );
    assert.equal(await valueOf([SCOPE, 'XMM', 'XMM1'], 'double'), '3.1415926535897931, 0.0078125');
    assert.equal(await set([SCOPE, 'XMM', 'XMM1', 'int32'], '[3]', '0x40000000'), '0x40000000');
    assert.equal(await valueOf([SCOPE, 'YMM'], 'YMM1'), `0x${'0'.repeat(32)}4000000000000000400921fb54442d18`);
    assert.match(await set([SCOPE, 'MXCSR'], 'RC', '3'), /^3/);
    assert.match((await valueOf([SCOPE], 'MXCSR')) ?? '', /^0x00007f80/);
  });

  it('keep their children where they are written', async () => {
    const { reference, variables } = await client.children(1, SCOPE, 'XMM');
    const { body } = await client.setVariableRequest({ variablesReference: reference, name: 'XMM3', value: '7' });
    const before = variables.find(({ name }) => name === 'XMM3')?.variablesReference;
    assert.ok(before !== undefined && before > 0);
    assert.equal(body.variablesReference, before);
    const lanes = (await client.variablesRequest({ variablesReference: before })).body.variables;
    assert.equal(lanes.find(({ name }) => name === 'int32')?.value.slice(0, 10), '0x00000007');
  });

  it('are watched, hovered over and set by name, with their lanes; decimals set a lane of floats', async () => {
    const [{ id: frameId }] = await client.frames(1);
    await set([SCOPE, 'XMM', 'XMM2', 'double'], '[0]', '-1.5e3');
    await set([SCOPE, 'XMM', 'XMM2', 'float'], '[3]', '2');
    const { result, variablesReference } = (await client.evaluateRequest({ expression: 'xmm2', frameId })).body;
    assert.equal(result, '0x4000000000000000c097700000000000');
    const { variables } = (await client.variablesRequest({ variablesReference })).body;
    assert.equal(variables.find(({ name }) => name === 'double')?.value, '-1500, 2');
    const shown = await client.customRequest('setExpression', {
      expression: 'ymm2',
      value: `0x${'7'.repeat(64)}`,
      frameId,
    });
    assert.equal((shown.body as { value: string }).value, `0x${'7'.repeat(64)}`);
    assert.match(
      (await client.failure('evaluate', { expression: 'xmm2 == 1', frameId })) ?? '',
      /Column 1: 'xmm2' has 128 bits, and expressions have 64/,
    );
  });

  it('refuse what they cannot hold', async () => {
    const refused = async (scope: readonly string[], name: string, value: string): Promise<string> => {
      const { reference } = await client.children(1, ...scope);
      return (await client.failure('setVariable', { variablesReference: reference, name, value })) ?? 'none';
    };
    assert.match(await refused([SCOPE], 'MXCSR', '0x10000'), /MXCSR has no bits 0x10000/);
    assert.match(await refused([SCOPE, 'FPU'], 'ST0', `0x1${'0'.repeat(20)}`), /ST0 has 80 bits/);
    assert.match(await refused([SCOPE, 'XMM', 'XMM1', 'int8'], '[0]', '256'), /8 bits/);
  });
});

describe('floating-point text', () => {
  it('is what the language itself makes of a double', () => {
    const view = new DataView(new ArrayBuffer(8));
    for (const number of [1, 0.5, -2.25, 1e21, 123456789, 5e-324, 1.7976931348623157e308, 0.001, -1e-7]) {
      view.setFloat64(0, number);
      assert.equal(Number(floatText(BINARY64, view.getBigUint64(0))), number);
    }
    assert.equal(floatText(BINARY32, 0x3dcc_cccdn), '0.100000001');
  });

  it('names what is no number', () => {
    assert.equal(extendedText(0x7fff_8000_0000_0000_0000n), 'infinity');
    assert.equal(extendedText(0xffff_c000_0000_0000_0000n), '-QNaN');
    assert.equal(extendedText(0x7fff_a000_0000_0000_0000n), 'SNaN');
    assert.equal(extendedText(0x8000_0000_0000_0000_0000n), '-0');
    assert.equal(extendedText(0x4000_0000_0000_0000_0001n), 'unsupported');
    assert.equal(extendedText(1n), '3.64519953188247460253e-4951');
    assert.equal(extendedText(0x7ffe_ffff_ffff_ffff_ffffn), '1.18973149535723176502e+4932');
  });
});
