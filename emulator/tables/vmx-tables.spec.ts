import assert from 'node:assert/strict';
import test from 'node:test';
import { CPU_MODELS } from './cpu-models';
import { describeQualification, EXIT_REASON, EXIT_REASONS } from './exit-reasons';
import { describeInstructionInformation, describeInterruption } from './interruption-info';
import { TRANSITION_ELEMENTS } from './transition-elements';
import {
  fieldAt,
  fieldBits,
  fieldByName,
  fieldIndex,
  fieldType,
  FIELD,
  FIELD_ALIASES,
  slotOf,
  VMCS_FIELDS,
  VMCS_LAYOUT,
} from './vmcs-fields';
import { capabilities, fieldExists, VMX_MSR } from './vmx-capabilities';
import { CONTROL_BITS, CONTROL_WORDS, control } from './vmx-controls';

const MSRS = capabilities(CPU_MODELS.strata);
const msr = (index: number): bigint => MSRS.get(index) ?? assert.fail(`no MSR ${index.toString(16)}`);

test('VMCS encodings and names are unique, full-access, and have bit 12 clear', () => {
  assert.equal(new Set(VMCS_FIELDS.map(({ encoding }) => encoding)).size, VMCS_FIELDS.length);
  assert.equal(new Set(VMCS_FIELDS.map(({ name }) => name)).size, VMCS_FIELDS.length);
  for (const { encoding } of VMCS_FIELDS) assert.equal(encoding & 0x1001, 0);
});

test('the type in an encoding agrees with the group', () => {
  const groups = {
    control: /^control-/,
    'read-only': /^exit-information$/,
    guest: /^guest-state$/,
    host: /^host-state$/,
  };
  for (const { encoding, group, name } of VMCS_FIELDS) assert.match(group, groups[fieldType(encoding)], name);
});

test('field encodings are those the SDM prints', () => {
  assert.equal(FIELD.GUEST_RIP, 0x681e);
  assert.equal(FIELD.VM_EXIT_REASON, 0x4402);
  assert.equal(FIELD.VMCS_LINK_POINTER, 0x2800);
  assert.equal(FIELD.HOST_TR_SELECTOR, 0x0c0c);
  assert.equal(fieldBits(FIELD.GUEST_CS_SELECTOR), 16);
  assert.equal(fieldBits(FIELD.EPT_POINTER), 64);
  assert.equal(fieldBits(FIELD.EXCEPTION_BITMAP), 32);
});

test('only 64-bit fields have a high access, and it has the slot of the full one', () => {
  assert.equal(fieldAt(0x2801)?.name, 'VMCS_LINK_POINTER');
  assert.equal(slotOf(0x2801), slotOf(0x2800));
  for (const encoding of [0x0801, 0x4401, 0x681f]) {
    assert.equal(fieldAt(encoding), undefined);
    assert.equal(slotOf(encoding), -1);
  }
});

test('slots are distinct, 8-byte aligned and inside the region', () => {
  const slots = VMCS_FIELDS.map(({ encoding }) => slotOf(encoding));
  assert.equal(new Set(slots).size, slots.length);
  for (const slot of slots) {
    assert.ok(slot >= VMCS_LAYOUT.fields && slot + 8 <= VMCS_LAYOUT.size);
    assert.equal(slot % 8, 0);
  }
});

test('every alias names a field', () => {
  for (const [alias, name] of Object.entries(FIELD_ALIASES)) assert.equal(fieldByName(alias)?.name, name);
});

test('control bits are unique, inside their word, and never in the default1 class unless the SDM lets them be 0', () => {
  const places = CONTROL_BITS.map(({ word, bit }) => `${word}.${bit}`);
  assert.equal(new Set(places).size, places.length);
  for (const { word, bit, key } of CONTROL_BITS) {
    const info = CONTROL_WORDS.find((row) => row.word === word) ?? assert.fail(word);
    assert.ok(bit < info.width);
    const default1 = bit < 32 && ((info.default1 >>> bit) & 1) === 1;
    if (default1) assert.equal((info.mayBeZero >>> bit) & 1, 1, key);
  }
});

test('every control a field depends on exists', () => {
  for (const { requires } of VMCS_FIELDS) for (const key of requires) assert.equal(control(key).key, key);
});

test('capability MSRs report the default1 class of the SDM', () => {
  assert.equal(msr(VMX_MSR.PINBASED_CTLS) & 0xffff_ffffn, 0x16n);
  assert.equal(msr(VMX_MSR.PROCBASED_CTLS) & 0xffff_ffffn, 0x0401_e172n);
  assert.equal(msr(VMX_MSR.EXIT_CTLS) & 0xffff_ffffn, 0x0003_6dffn);
  assert.equal(msr(VMX_MSR.ENTRY_CTLS) & 0xffff_ffffn, 0x0000_11ffn);
  assert.equal(msr(VMX_MSR.TRUE_PROCBASED_CTLS) & 0xffff_ffffn, 0x0400_6172n);
  assert.equal(msr(VMX_MSR.TRUE_EXIT_CTLS) & 0xffff_ffffn, 0x0003_6dfbn);
  assert.equal(msr(VMX_MSR.TRUE_ENTRY_CTLS) & 0xffff_ffffn, 0x0000_11fbn);
});

test('what must be 1 may be 1, and TRUE MSRs allow the same 1-settings', () => {
  for (const index of [0x481, 0x482, 0x483, 0x484, 0x48d, 0x48e, 0x48f, 0x490]) {
    const value = msr(index);
    assert.equal(value & 0xffff_ffffn & ~(value >> 32n), 0n, index.toString(16));
  }
  for (let n = 0; n < 4; n++) assert.equal(msr(0x48d + n) >> 32n, msr(0x481 + n) >> 32n);
});

test('IA32_VMX_BASIC: 4-KByte region, write-back, TRUE MSRs, bit 31 clear', () => {
  const basic = msr(VMX_MSR.BASIC);
  assert.equal((basic >> 31n) & 1n, 0n);
  assert.equal((basic >> 32n) & 0x1fffn, 4096n);
  assert.equal((basic >> 50n) & 15n, 6n);
  assert.equal((basic >> 54n) & 3n, 3n);
});

test('IA32_VMX_VMCS_ENUM is the highest index of a field that exists', () => {
  const highest = Math.max(
    ...VMCS_FIELDS.filter((f) => fieldExists(f.encoding, MSRS)).map((f) => fieldIndex(f.encoding)),
  );
  assert.equal(msr(VMX_MSR.VMCS_ENUM), BigInt(highest << 1));
});

test('a field exists only where its control may be 1', () => {
  assert.equal(fieldExists(FIELD.EPT_POINTER, MSRS), true);
  assert.equal(fieldExists(FIELD.EPT_POINTER | 1, MSRS), true);
  assert.equal(fieldExists(FIELD.PML_ADDRESS, MSRS), false);
  assert.equal(fieldExists(FIELD.TERTIARY_VM_EXEC_CONTROL, MSRS), false);
  assert.equal(fieldExists(0x6fff, MSRS), false);
});

test('exit reasons have unique numbers and names', () => {
  assert.equal(new Set(EXIT_REASONS.map(({ number }) => number)).size, EXIT_REASONS.length);
  assert.equal(new Set(EXIT_REASONS.map(({ name }) => name)).size, EXIT_REASONS.length);
  assert.equal(EXIT_REASON.EPT_VIOLATION, 48);
  assert.equal(EXIT_REASON.XSETBV, 55);
});

test('an I/O qualification reads as the instruction', () => {
  const parts = Object.fromEntries(
    describeQualification(EXIT_REASON.IO_INSTRUCTION, 0x00e9_0040n).map(({ name, text }) => [name, text]),
  );
  assert.deepEqual(parts, { size: '1 byte', in: 'OUT', string: 'no', rep: 'no', immediate: 'immediate', port: '0xe9' });
});

test('a CR-access qualification names register and operand', () => {
  const parts = Object.fromEntries(
    describeQualification(EXIT_REASON.CR_ACCESS, 0x313n).map(({ name, text }) => [name, text]),
  );
  assert.equal(parts.cr, 'CR3');
  assert.equal(parts.type, 'MOV from CR');
  assert.equal(parts.gpr, 'RBX');
});

test('interruption and instruction information are taken apart', () => {
  const event = Object.fromEntries(describeInterruption('exit', 0x8000_0b0e).map(({ name, text }) => [name, text]));
  assert.deepEqual(event, {
    vector: '14',
    type: 'hardware exception',
    errorCodeValid: 'yes',
    nmiUnblocking: 'no',
    valid: 'yes',
  });
  const operand = Object.fromEntries(
    describeInstructionInformation(EXIT_REASON.VMREAD, 0x3000_0418).map(({ name, text }) => [name, text]),
  );
  assert.equal(operand.operand, 'register');
  assert.equal(operand.register1, 'RBX');
  assert.equal(operand.register2, 'RBX');
});

test('transition elements are distinct, and copies have a field to copy', () => {
  assert.equal(new Set(TRANSITION_ELEMENTS.map(({ name }) => name)).size, TRANSITION_ELEMENTS.length);
  assert.equal(new Set(TRANSITION_ELEMENTS.map(({ address }) => address)).size, TRANSITION_ELEMENTS.length);
  const copies = (kind: string): boolean => kind === 'copy' || kind === 'copy-if';
  for (const { name, entry, exitSave, exitLoad, guestField, hostField } of TRANSITION_ELEMENTS) {
    if (copies(entry.kind) || copies(exitSave.kind)) assert.notEqual(guestField, undefined, name);
    if (copies(exitLoad.kind)) assert.notEqual(hostField, undefined, name);
  }
});

test('every guest- and host-area field that exists is moved by a transition or is named here', () => {
  const moved = new Set(TRANSITION_ELEMENTS.flatMap(({ guestField, hostField }) => [guestField, hostField]));
  const rest = VMCS_FIELDS.filter(
    ({ group, encoding }) => /-state$/.test(group) && fieldExists(encoding, MSRS) && !moved.has(encoding),
  ).map(({ name }) => name);
  assert.deepEqual(rest.sort(), ['GUEST_SMBASE', 'VMCS_LINK_POINTER']);
});
