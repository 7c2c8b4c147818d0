/** A VMCS for a random guest: valid guest and host state, random controls. */
import type { Piece } from '../../emulator/boot/loaded-image';
import type { SegmentName } from '../../emulator/state/layout';
import { FIELD, type VmcsFieldName } from '../../emulator/tables/vmcs-fields';
import { VMCS_REVISION, allowedSettings } from '../../emulator/tables/vmx-capabilities';
import { controlMask, controlWord, type ControlKey, type ControlWord } from '../../emulator/tables/vmx-controls';
import type { Random } from '../host-oracle/random';
import { isLong, isReal, piece, quads, registersOf, type Settings } from './guest';
import { CODE_SIZE, PLACE, SELECTOR, VMX_PAGE } from './layout';

const page = (name: keyof typeof VMX_PAGE): number => PLACE.vmx + VMX_PAGE[name];

/** Adds the exit's instruction length, and a little or nothing, to the guest's RIP and resumes it; what follows where that fails is chance. */
export const stub = (random: Random): readonly number[] => [
  ...[0xba, 0x1e, 0x68, 0, 0, 0x0f, 0x78, 0xd0],
  ...[0xb9, 0x0c, 0x44, 0, 0, 0x0f, 0x78, 0xcb],
  ...[0x01, 0xd8, 0x83, 0xc0, random.below(3), 0x25, 0xff, 0xff, 0, 0, 0x0f, 0x79, 0xd0],
  ...[0x0f, 0x01, 0xc3],
];
/** VMLAUNCH stands here, in front of random code. */
export const LAUNCH_AT = PLACE.stub + 0x800;

/** VMX's pages: revisions, bitmaps, lists, EPT tables. */
export function vmxPieces(random: Random): readonly Piece[] {
  const revision = (name: 'vmxon' | 'vmcs' | 'shadow'): Piece =>
    piece(name, page(name), Uint8Array.from(new Uint8Array(Uint32Array.of(VMCS_REVISION).buffer)));
  const bitmap = (name: 'msrBitmap' | 'ioA' | 'ioB'): Piece =>
    piece(name, page(name), random.oneIn(2) ? random.bytes(0x1000) : new Uint8Array(0x1000));
  const rights = (): bigint =>
    (random.oneIn(150) ? BigInt(random.below(8)) : 7n) | (random.oneIn(200) ? BigInt(random.below(8)) << 3n : 0x30n);
  const leaf = (i: number): bigint => BigInt(i * 0x1000) | (i < 16 || i >= 0x30 ? rights() : 0x37n);
  const list = Array.from({ length: 32 }, () => [
    BigInt(random.pick([0x174, 0x175, 0x10, 0xc000_0082, 0x1d9, 0x38f, random.u32()])),
    random.oneIn(2) ? random.u64() : inLow(random),
  ]).flat();
  return [
    ...(['vmxon', 'vmcs', 'shadow'] as const).map(revision),
    ...(['msrBitmap', 'ioA', 'ioB'] as const).map(bitmap),
    piece('lists', page('lists'), quads(list)),
    piece('EPT', PLACE.ept, quads([BigInt(PLACE.ept + 0x1007)])),
    piece(
      'EPT',
      PLACE.ept + 0x1000,
      quads([BigInt(PLACE.ept + 0x2007), ...Array.from({ length: 6 }, () => random.u64())]),
    ),
    piece('EPT', PLACE.ept + 0x2000, quads([random.oneIn(4) ? 0xb7n : BigInt(PLACE.ept + 0x3007), random.u64()])),
    piece('EPT', PLACE.ept + 0x3000, quads(Array.from({ length: 512 }, (_, i) => leaf(i)))),
    piece('launch', LAUNCH_AT, Uint8Array.of(0x0f, 0x01, 0xc2)),
  ];
}

const inLow = (random: Random): bigint => BigInt(PLACE.code + random.below(CODE_SIZE));

const SEGMENT_NAMES: readonly SegmentName[] = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'];

/** What a machine with a current VMCS can do. */
export interface VmcsTarget {
  readonly capabilities: ReadonlyMap<number, bigint>;
  write(encoding: number, value: bigint): void;
}

/** Fills the VMCS. `bold`: controls at random among those allowed; otherwise few. */
export function fillVmcs(random: Random, target: VmcsTarget, host: Settings, guest: Settings, bold: boolean): void {
  const set = (name: VmcsFieldName, value: bigint | number): void => target.write(FIELD[name], BigInt(value));
  const words = new Map<ControlWord, bigint>();
  for (const word of ['pin', 'primary', 'secondary', 'tertiary', 'exit', 'exit2', 'entry', 'vmfunc'] as const) {
    const { mustBeOne, mayBeOne } = allowedSettings(word, target.capabilities);
    const some = bold ? random.u64() & (random.oneIn(2) ? random.u64() : -1n) : 0n;
    words.set(word, mustBeOne | (some & mayBeOne));
  }
  const bit = (key: ControlKey, on: boolean): void => {
    const word = key.slice(0, key.indexOf('.')) as ControlWord;
    const mask = BigInt(controlMask(key));
    const { mayBeOne } = allowedSettings(word, target.capabilities);
    const old = words.get(word) ?? 0n;
    words.set(word, on && (mayBeOne & mask) !== 0n ? old | mask : old & ~mask);
  };
  const has = (key: ControlKey): boolean =>
    ((words.get(key.slice(0, key.indexOf('.')) as ControlWord) ?? 0n) & BigInt(controlMask(key))) !== 0n;
  const unrestricted = isReal(guest.mode) || guest.paging === 'none';
  bit('primary.ACTIVATE_SECONDARY_CONTROLS', true);
  bit('secondary.ENABLE_EPT', unrestricted || random.oneIn(2));
  bit('secondary.UNRESTRICTED_GUEST', has('secondary.ENABLE_EPT') && (unrestricted || random.oneIn(2)));
  bit('exit.HOST_ADDRESS_SPACE_SIZE', isLong(host.mode));
  bit('entry.IA32E_MODE_GUEST', isLong(guest.mode));
  bit('exit.SAVE_IA32_EFER', true);
  bit('exit.LOAD_IA32_EFER', true);
  bit('entry.LOAD_IA32_EFER', true);
  bit('entry.LOAD_IA32_PAT', false);
  bit('exit.LOAD_IA32_PAT', false);
  for (const [word, value] of words) {
    const { encoding } = controlWord(word);
    target.write(encoding, value);
  }
  set('EXCEPTION_BITMAP', random.oneIn(4) ? random.u32() : 0);
  set('PAGE_FAULT_ERROR_CODE_MASK', random.below(32));
  set('PAGE_FAULT_ERROR_CODE_MATCH', random.below(32));
  set('VMCS_LINK_POINTER', random.oneIn(2) ? 0xffff_ffff_ffff_ffffn : BigInt(page('shadow')));
  set('IO_BITMAP_A', page('ioA'));
  set('IO_BITMAP_B', page('ioB'));
  set('MSR_BITMAP', page('msrBitmap'));
  set('VIRTUAL_APIC_PAGE_ADDR', page('virtualApic'));
  set('APIC_ACCESS_ADDR', page('apicAccess'));
  set('VMREAD_BITMAP', page('ioA'));
  set('VMWRITE_BITMAP', page('ioB'));
  set('EPT_POINTER', PLACE.ept | 0x1e | (random.below(2) << 6));
  set('VPID', 1 + random.below(3));
  set('TPR_THRESHOLD', 0);
  set('TSC_OFFSET', random.u64());
  for (const name of ['VM_EXIT_MSR_STORE', 'VM_EXIT_MSR_LOAD', 'VM_ENTRY_MSR_LOAD'] as const) {
    set(`${name}_ADDR`, page('lists'));
    set(`${name}_COUNT`, random.oneIn(8) ? random.below(4) : 0);
  }
  set('CR0_GUEST_HOST_MASK', random.oneIn(2) ? 0n : random.u64());
  set('CR4_GUEST_HOST_MASK', random.oneIn(2) ? 0n : random.u64());
  set('CR3_TARGET_COUNT', random.below(5));

  set('HOST_CR0', host.cr0);
  set('HOST_CR3', PLACE.tables);
  set('HOST_CR4', host.cr4);
  set('HOST_IA32_EFER', host.efer | (isLong(host.mode) ? 0x400n : 0n));
  set('HOST_CS_SELECTOR', isLong(host.mode) ? SELECTOR.code64 : SELECTOR.code32);
  for (const name of ['ES', 'SS', 'DS', 'FS', 'GS'] as const) set(`HOST_${name}_SELECTOR`, SELECTOR.data);
  set('HOST_TR_SELECTOR', SELECTOR.tss);
  set('HOST_TR_BASE', PLACE.tss);
  set('HOST_GDTR_BASE', PLACE.gdt);
  set('HOST_IDTR_BASE', PLACE.idt);
  set('HOST_RSP', PLACE.data + 0x2800);
  set('HOST_RIP', random.oneIn(5) ? inLow(random) : PLACE.stub);

  const { rip, rflags, segments } = registersOf(random, guest.mode);
  set('GUEST_CR0', (BigInt(guest.cr0) | 0x20n) & (isReal(guest.mode) ? ~1n : -1n));
  set('GUEST_CR3', guest.paging === 'none' ? 0 : PLACE.guestTables);
  set('GUEST_CR4', guest.cr4 | 0x2000);
  set('GUEST_IA32_EFER', guest.efer | (isLong(guest.mode) ? 0x400n : 0n));
  set('GUEST_RIP', rip);
  set('GUEST_RSP', PLACE.data + 0x1800);
  set('GUEST_RFLAGS', rflags);
  set('GUEST_DR7', random.oneIn(2) ? 0x400 : (random.u32() & 0xffff_03ff) | 0x400);
  for (const name of SEGMENT_NAMES) {
    const segment = segments.get(name);
    if (segment === undefined) continue;
    set(`GUEST_${name}_SELECTOR`, segment.selector);
    set(`GUEST_${name}_BASE`, segment.base);
    set(`GUEST_${name}_LIMIT`, segment.limit);
    set(`GUEST_${name}_AR`, segment.access);
  }
  set('GUEST_TR_SELECTOR', SELECTOR.tss);
  set('GUEST_TR_BASE', PLACE.tss);
  set('GUEST_TR_LIMIT', 0xfff);
  set('GUEST_TR_AR', 0x8b);
  set('GUEST_LDTR_AR', 0x1_0000);
  set('GUEST_GDTR_BASE', PLACE.gdt);
  set('GUEST_GDTR_LIMIT', 0x1ff);
  set('GUEST_IDTR_BASE', isReal(guest.mode) ? 0 : PLACE.idt);
  set('GUEST_IDTR_LIMIT', 0xfff);
  if (random.oneIn(6)) set('VM_ENTRY_INTR_INFO', 0x8000_0000 + random.pick([0x306, 0x20, 0x202, 0x303, 0xb0e]));
  if (random.oneIn(6)) set('GUEST_PENDING_DBG_EXCEPTIONS', random.pick([0x4000, 0x1000, 0x1001]));
}
