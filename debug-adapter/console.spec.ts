import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { AdapterClient, sample } from './test-client';

let client: AdapterClient;
const say = (text: string): Promise<string> => client.evaluate(text, 'repl');
const refusal = async (expression: string): Promise<string> =>
  (await client.failure('evaluate', { expression, context: 'repl' })) ?? 'none';

describe('the debug console', () => {
  before(async () => {
    client = await AdapterClient.begin();
    await client.prepare({ program: sample('hello-vmx') });
    await client.setExceptionBreakpointsRequest({
      filters: [],
      filterOptions: [{ filterId: 'vm-exit', condition: 'exit == RDMSR' }],
    });
    await client.pauseAfter(() => client.configurationDoneRequest());
  });
  after(() => client.stop());

  it('gets what the guest prints in whole lines', () => {
    const printed = client.outputEvents.filter(({ category }) => category === 'stdout');
    assert.ok(printed.length > 0);
    for (const { output } of printed) assert.match(output, /\n$/);
  });

  it('shows the exit trace, one line a transition', async () => {
    const lines = (await say('trace 2')).split('\n');
    assert.match(lines[0], /^\.\.\. \d+ before these: trace \d+$/);
    assert.match(lines[1], /^ +\d+ {2}VM entry \d+: L1 guest \(VMCS 0x[0-9a-f]+\) at 0x/);
    assert.match(lines[2], /^ +\d+ {2}VM exit \d+: RDMSR {2}\[L1 guest \(VMCS 0x[0-9a-f]+\) -> L0 VMM, RIP 0x/);
    assert.match(await refusal('trace all'), /number of transitions/);
  });

  it('shows statistics, layers, checks and help', async () => {
    assert.match(await say('stats'), /^[\d,]+ instructions retired, time [\d,]+\n\d VM exits\n {2}CPUID +2\n/);
    assert.match(
      await say('layers'),
      /^CPU0 · L0 VMM · running: RIP 0x[0-9a-f]+ <vmx_exited>, CR3 0x[0-9a-f]+\n {2}CPU0 · L1/,
    );
    assert.match(await say('check vmcs'), /^VMCS 0x[0-9a-f]+: all VM-entry checks pass\.$/);
    assert.match(await say('check vmcs 0xffff_f000_0000'), /There is no VMCS at 0xfffff0000000/);
    for (const name of ['trace', 'stats', 'check', 'layers', 'name = value'])
      assert.ok((await say('help')).includes(name));
  });

  it('changes registers, their parts and bits, VMCS fields and memory, and reads them back', async () => {
    const changes = [
      ['rbx', '0x1122334455667788', /^0x1122334455667788/],
      ['bh', '0xff', /^0xff/],
      ['rflags.CF', '1', /^1$/],
      ['vmcs.GUEST_RSP', 'vmcs.GUEST_RSP', /^0x/],
      ['vmcs.GUEST_CR4.PAE', '1', /^1$/],
      ['[rsp - 64, 4]', '0x11223344', /^0x11223344/],
    ] as const;
    for (const [name, value, expected] of changes) {
      assert.match(await say(`${name} = ${value}`), expected);
      assert.match(await say(name), expected);
    }
    assert.match(await say('rbx'), /^0x112233445566ff88/);
    const set = await client.customRequest('setExpression', { expression: 'rcx', value: 'rbx & 0xff' });
    assert.match((set.body as { value: string }).value, /^0x88/);
  });

  it('refuses what cannot be changed, with the reason', async () => {
    assert.match(await refusal('al = 0x1ff'), /AL has 8 bits; 0x1ff does not fit/);
    assert.match(await refusal('vmcs.VM_EXIT_REASON = 1'), /VM-exit information field/);
    assert.match(await refusal('[0xdead00000000, 8] = 1'), /not mapped/);
    assert.match(await refusal('count(exit) = 1'), /cannot be changed: only registers/);
    assert.match(await refusal('rflags.CF = 2'), /CF has 1 bits?; 0x2 does not fit/);
    assert.match(await refusal('cpl = 3'), /change SS\.access/);
    assert.match(await refusal('vmcs.NOPE = 1'), /'NOPE' is not a VMCS field/);
    assert.match(await refusal(`${'('.repeat(4000)}1`), /Column|Internal/);
  });

  it('reads registers, symbols, VMCS fields and memory of the layer whose frame is looked at', async () => {
    const inLayer = async (expression: string): Promise<string> => {
      const frame = (await client.frames(1000)).find(({ presentationHint }) => presentationHint !== 'label');
      return (await client.evaluateRequest({ expression, context: 'watch', frameId: frame?.id })).body.result;
    };
    assert.equal(await inLayer('layer'), '1');
    assert.equal(await client.evaluate('layer'), '0');
    assert.equal(await inLayer('rip == vmcs.GUEST_RIP'), 'true');
    assert.match(await inLayer('rip'), /<\w+\+0x[0-9a-f]+>$/);
    assert.match(await inLayer('guest_main'), /^0x[0-9a-f]+ <guest_main>$/);
    assert.equal(await inLayer('[rip, 2]'), '0x320f (12815)'); // RDMSR is 0F 32.
    assert.equal(await inLayer('exit'), 'RDMSR (31)');
  });

  it('completes commands, registers, fields, exit reasons and symbols', async () => {
    const complete = async (text: string): Promise<readonly { label: string; start: number; length: number }[]> => {
      const response = await client.customRequest('completions', { text, column: text.length + 1 });
      return (response.body as { targets: { label: string; start: number; length: number }[] }).targets;
    };
    const labels = async (text: string): Promise<readonly string[]> => (await complete(text)).map(({ label }) => label);
    assert.deepEqual(await labels('tra'), ['trace']);
    assert.deepEqual(await labels('vmcs.GUEST_RI'), ['vmcs.GUEST_RIP']);
    assert.ok((await labels('exit == CPU')).includes('CPUID'));
    assert.ok((await labels('vmm_r')).includes('vmm_run_guest'));
    assert.deepEqual(await complete('rax == rf'), [{ label: 'rflags', type: 'variable', start: 7, length: 2 }]);
    assert.deepEqual(await labels('no_such_thing'), []);
  });
});
