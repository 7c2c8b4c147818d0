import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bareProcessor, type Fixture } from '../cpu/processor.fixture';
import { CONTROL } from '../state/layout';
import { RunningImage } from './register-image';

const FIRST = 0x3000;
const SECOND = 0x3020;

/** PAE paging by the table at FIRST; SECOND holds another. */
function paePaging(): Fixture & { readonly image: RunningImage } {
  const fixture = bareProcessor();
  const { cpu, memory } = fixture;
  for (let i = 0; i < 4; i++) {
    memory.write64(FIRST + i * 8, BigInt(0x1_0000 + i * 0x1000) | 1n);
    memory.write64(SECOND + i * 8, BigInt(0x2_0000 + i * 0x1000) | 1n);
  }
  const image = new RunningImage(cpu);
  assert.equal(image.setControl('CR3', BigInt(FIRST)), undefined);
  assert.equal(image.setControl('CR4', 0x20n), undefined);
  assert.equal(image.setControl('CR0', 0x8000_0011n), undefined);
  return { ...fixture, image };
}

test('entering PAE paging from the debugger loads the PDPTEs, and so does a new CR3', () => {
  const { cpu, image } = paePaging();
  assert.equal(cpu.field(CONTROL.pdpte + 8), 0x1_1001n);
  assert.equal(image.setControl('CR3', BigInt(SECOND)), undefined);
  assert.deepEqual(
    [0, 1, 2, 3].map((i) => cpu.field(CONTROL.pdpte + i * 8)),
    [0x2_0001n, 0x2_1001n, 0x2_2001n, 0x2_3001n],
  );
});

test('a CR3 whose PDPTEs cannot be loaded is refused, and changes nothing', () => {
  const { cpu, image, memory } = paePaging();
  memory.write64(SECOND + 8, 0x2_1003n);
  for (const table of [BigInt(SECOND), 0xffff_0000n]) {
    assert.match(
      image.setControl('CR3', table) ?? '',
      /^The page-directory-pointer table at 0x[0-9a-f]+ is not in RAM/,
    );
    assert.equal(cpu.cr3, BigInt(FIRST));
    assert.equal(cpu.field(CONTROL.pdpte), 0x1_0001n);
  }
});

test('RIP has 32 bits outside 64-bit mode', () => {
  const { image } = paePaging();
  assert.match(image.setControl('RIP', 1n << 32n) ?? '', /32 bits outside 64-bit mode/);
});
