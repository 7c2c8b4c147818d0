import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultOf, longMode } from './processor.fixture';
import { readMsr, writeMsr } from './msr-access';

const APIC_BASE = 0x1b;
const DISABLED = 0xfee0_0100n;
const XAPIC = 0xfee0_0900n;
const X2APIC = 0xfee0_0d00n;
const WITHOUT_ENABLE = 0xfee0_0500n;

test('IA32_APIC_BASE changes the mode of the local APIC only as the SDM draws it', () => {
  const modes = [DISABLED, XAPIC, X2APIC, WITHOUT_ENABLE];
  const allowed = [
    [DISABLED, DISABLED],
    [DISABLED, XAPIC],
    [XAPIC, DISABLED],
    [XAPIC, XAPIC],
    [XAPIC, X2APIC],
    [X2APIC, X2APIC],
    [X2APIC, DISABLED],
  ];
  for (const from of modes.slice(0, 3)) {
    for (const to of modes) {
      const { cpu } = longMode();
      writeMsr(cpu, APIC_BASE, XAPIC);
      writeMsr(cpu, APIC_BASE, from);
      const fault = faultOf(() => writeMsr(cpu, APIC_BASE, to));
      const expected = allowed.some(([one, other]) => one === from && other === to);
      assert.equal(fault?.vector, expected ? undefined : 13, `${from.toString(16)} to ${to.toString(16)}`);
      assert.equal(readMsr(cpu, APIC_BASE), expected ? to : from);
    }
  }
});
