import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { AdapterClient, sample, type Pause } from './test-client';

let image = '';
let broken = '';
let folder = '';
let client: AdapterClient;

function filter(filterId: string, condition?: string): Promise<unknown> {
  return client.setExceptionBreakpointsRequest({ filters: [], filterOptions: [{ filterId, condition }] });
}

async function launch(program: string, filterId: string, condition?: string, cmdline = ''): Promise<Pause> {
  await client.prepare({ program, cmdline });
  await filter(filterId, condition);
  return client.pauseAfter(() => client.configurationDoneRequest());
}

describe('exception filters', () => {
  before(() => {
    image = sample('hello-vmx');
    broken = sample('broken-entry');
    folder = mkdtempSync(join(tmpdir(), 'strata-'));
  });
  after(() => rmSync(folder, { recursive: true }));
  beforeEach(async () => (client = await AdapterClient.begin()));
  afterEach(() => client.stop());

  it('stop at the VM exits whose reason, registers, fields and qualification a condition names', async () => {
    const first = await launch(image, 'vm-exit', 'exit == CPUID && rax == 1');
    assert.match(first.body.description ?? '', /^VM exit 4: CPUID$/);
    const at = await client.evaluate('vmcs.GUEST_RIP');
    const rip = /^0x[0-9a-f]+/.exec(at)?.[0] ?? '';
    const stops: readonly (readonly [string, RegExp])[] = [
      [`vmcs.GUEST_RIP != ${rip} && exit in (RDMSR, HLT)`, /: RDMSR$/],
      ['exit == EPT_VIOLATION && qual.write && !(gpa in 0..0xfff)', /: EPT violation, GPA 0x[0-9a-f]+ \(write\)$/],
      ['exit == VMCALL || exit == HLT', /: VMCALL$/],
      ['layer == 1 && count(exit.CPUID) == 2 && exit == HLT', /: HLT$/],
    ];
    for (const [condition, expected] of stops) {
      await filter('vm-exit', condition);
      assert.match((await client.run()).body.description ?? 'the end', expected, condition);
    }
    await filter('vm-exit', 'exit == CPUID');
    assert.equal((await client.run()).event, 'terminated');
  });

  it('stop at the VM entries for which a condition holds, in the guest before its first instruction', async () => {
    const pause = await launch(image, 'vm-entry', 'vmcs.VM_ENTRY_INTR_INFO.valid');
    assert.match(pause.body.description ?? '', /^VM entry \d+: L1 guest \(VMCS 0x[0-9a-f]+\) at 0x[0-9a-f]+/);
    assert.equal(await client.evaluate('vmcs.VM_ENTRY_INTR_INFO.valid'), '1');
    assert.equal(pause.body.threadId, 1000);
  });

  it('stop at the VM-entry failures for which a condition holds', async () => {
    const pause = await launch(broken, 'vm-entry-failure', 'vmcs.GUEST_CR0.PE == 1', 'mistake=guest-rflags');
    assert.match(pause.body.description ?? '', /^VM-entry failure/);
    const info = (await client.exceptionInfoRequest({ threadId: 1 })).body;
    assert.equal(info.exceptionId, 'VM-entry failure');
    await client.customRequest('restart', {});
    await client.nextPause();
    await filter('vm-entry-failure', 'vmcs.GUEST_CR0.PE == 0');
    const end = client.nextPause();
    await client.customRequest('restart', {});
    assert.equal((await end).event, 'terminated');
  });

  it('stop at the VMX instructions that fail with the error a condition names', async () => {
    const pause = await launch(broken, 'vmfail', 'error == 7', 'mistake=control');
    assert.match(pause.body.description ?? '', /^VMfail \d+: error 7/);
    await filter('vmfail', 'error == 8');
    assert.equal((await client.run()).event, 'terminated');
  });

  it('stop at the triple faults of the layer a condition names', async () => {
    await launch(image, 'vm-exit', 'exit == RDMSR');
    // The timer interrupt that is to come finds no gate.
    await client.evaluate('vmcs.GUEST_IDTR_LIMIT = 0', 'repl');
    await filter('triple-fault', 'layer == 1');
    const pause = await client.run();
    assert.match(pause.body.description ?? 'the end', /^VM exit \d+: Triple fault/);
  });

  it('let a triple fault of the machine end it where they do not ask for it', async () => {
    const program = join(folder, 'flat.bin');
    // ud2, without an IDT
    writeFileSync(program, Uint8Array.of(0x0f, 0x0b));
    await client.prepare({ program, loadAddress: '0x100000', memory: '16M' });
    await filter('triple-fault', 'layer == 1');
    const pause = await client.pauseAfter(() => client.configurationDoneRequest());
    assert.equal(pause.event, 'terminated');
    assert.equal(client.exitCode, 4);
    assert.match(client.outputs, /Triple fault.*\n1\. #UD/);
    await filter('triple-fault', 'layer == 0');
    const again = await client.pauseAfter(() => client.customRequest('restart', {}));
    assert.equal(again.body.description, 'Triple fault');
  });

  it('say once that a condition cannot be evaluated, and what the machine stopped for', async () => {
    const pause = await launch(image, 'vm-exit', '[0xdead00000000, 8] == 0');
    assert.match(pause.body.text ?? '', /cannot be evaluated: The 8 bytes.*\nVM exit 2: CPUID/);
    assert.equal((await client.run()).event, 'terminated');
  });

  it('tell of a breakpoint that stands where the transition leads', async () => {
    await client.prepare({ program: image });
    const { breakpoints } = (await client.setFunctionBreakpointsRequest({ breakpoints: [{ name: 'vmx_exited' }] }))
      .body;
    await filter('vm-exit', 'exit == CPUID');
    const pause = await client.pauseAfter(() => client.configurationDoneRequest());
    assert.equal(pause.body.reason, 'exception');
    assert.deepEqual(pause.body.hitBreakpointIds, [breakpoints[0].id]);
  });

  it('take exit conditions from the launch configuration', async () => {
    await client.prepare({ program: image, exitBreakpoints: ['exit == HLT', 'exit == RDMSR && rcx == 0x3a'] });
    await client.setExceptionBreakpointsRequest({ filters: [] });
    const pause = await client.pauseAfter(() => client.configurationDoneRequest());
    assert.match(pause.body.description ?? '', /: RDMSR$/);
    assert.match((await client.run()).body.description ?? '', /: HLT$/);
  });
});
