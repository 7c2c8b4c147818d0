/** Attribute values of DWARF ("Attribute Encodings"), read into a small union that says what class a value is of. */
import type { Cursor } from './cursor';
import { FORM } from './dwarf-constants';

export type FormValue =
  | { readonly kind: 'address'; readonly value: bigint }
  /** Index in the unit's part of .debug_addr. */
  | { readonly kind: 'address-index'; readonly index: number }
  | { readonly kind: 'constant'; readonly value: bigint }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'string-offset'; readonly section: '.debug_str' | '.debug_line_str'; readonly offset: number }
  | { readonly kind: 'string-index'; readonly index: number }
  /** Offset in .debug_info. */
  | { readonly kind: 'reference'; readonly offset: number }
  | { readonly kind: 'section-offset'; readonly offset: number }
  | { readonly kind: 'list-index'; readonly index: number }
  | { readonly kind: 'block'; readonly bytes: Uint8Array }
  | { readonly kind: 'flag'; readonly value: boolean }
  /** In a supplementary file or a type unit: not followed. */
  | { readonly kind: 'elsewhere' };

/** What the meaning of a form depends on. */
export interface UnitEncoding {
  readonly version: number;
  /** 4 or 8: the 32-bit or 64-bit DWARF format. */
  readonly offsetSize: 4 | 8;
  readonly addressSize: number;
  /** Offset of the unit in .debug_info, to which references within it are relative. */
  readonly start: number;
}

const ELSEWHERE: FormValue = { kind: 'elsewhere' };

/** Reads one value; an unknown form fails the cursor, for nothing after it could be found. */
export function readForm(cursor: Cursor, form: number, unit: UnitEncoding, implicit: bigint): FormValue {
  switch (form) {
    case FORM.addr:
      return { kind: 'address', value: cursor.unsigned(unit.addressSize) };
    case FORM.addrx:
      return { kind: 'address-index', index: cursor.uleb() };
    case FORM.addrx1:
      return { kind: 'address-index', index: cursor.u8() };
    case FORM.addrx2:
      return { kind: 'address-index', index: cursor.u16() };
    case FORM.addrx3:
      return { kind: 'address-index', index: cursor.u24() };
    case FORM.addrx4:
      return { kind: 'address-index', index: cursor.u32() };
    case FORM.data1:
      return { kind: 'constant', value: BigInt(cursor.u8()) };
    case FORM.data2:
      return { kind: 'constant', value: BigInt(cursor.u16()) };
    case FORM.data4:
      return { kind: 'constant', value: BigInt(cursor.u32()) };
    case FORM.data8:
      return { kind: 'constant', value: cursor.u64() };
    case FORM.data16:
      return { kind: 'block', bytes: cursor.take(16) };
    case FORM.sdata:
      return { kind: 'constant', value: cursor.slebBig() };
    case FORM.udata:
      return { kind: 'constant', value: cursor.ulebBig() };
    case FORM.implicit_const:
      return { kind: 'constant', value: implicit };
    case FORM.flag:
      return { kind: 'flag', value: cursor.u8() !== 0 };
    case FORM.flag_present:
      return { kind: 'flag', value: true };
    case FORM.string:
      return { kind: 'string', text: cursor.string() };
    case FORM.strp:
      return { kind: 'string-offset', section: '.debug_str', offset: cursor.offset(unit.offsetSize) };
    case FORM.line_strp:
      return { kind: 'string-offset', section: '.debug_line_str', offset: cursor.offset(unit.offsetSize) };
    case FORM.strx:
      return { kind: 'string-index', index: cursor.uleb() };
    case FORM.strx1:
      return { kind: 'string-index', index: cursor.u8() };
    case FORM.strx2:
      return { kind: 'string-index', index: cursor.u16() };
    case FORM.strx3:
      return { kind: 'string-index', index: cursor.u24() };
    case FORM.strx4:
      return { kind: 'string-index', index: cursor.u32() };
    case FORM.ref1:
      return { kind: 'reference', offset: unit.start + cursor.u8() };
    case FORM.ref2:
      return { kind: 'reference', offset: unit.start + cursor.u16() };
    case FORM.ref4:
      return { kind: 'reference', offset: unit.start + cursor.u32() };
    case FORM.ref8:
      return { kind: 'reference', offset: unit.start + cursor.offset64() };
    case FORM.ref_udata:
      return { kind: 'reference', offset: unit.start + cursor.uleb() };
    case FORM.ref_addr:
      // DWARF 2 made this the size of an address.
      return { kind: 'reference', offset: cursor.offset(unit.version <= 2 ? unit.addressSize : unit.offsetSize) };
    case FORM.sec_offset:
      return { kind: 'section-offset', offset: cursor.offset(unit.offsetSize) };
    case FORM.loclistx:
    case FORM.rnglistx:
      return { kind: 'list-index', index: cursor.uleb() };
    case FORM.exprloc:
    case FORM.block:
      return { kind: 'block', bytes: cursor.take(cursor.uleb()) };
    case FORM.block1:
      return { kind: 'block', bytes: cursor.take(cursor.u8()) };
    case FORM.block2:
      return { kind: 'block', bytes: cursor.take(cursor.u16()) };
    case FORM.block4:
      return { kind: 'block', bytes: cursor.take(cursor.u32()) };
    case FORM.ref_sig8:
    case FORM.ref_sup8:
      cursor.skip(8);
      return ELSEWHERE;
    case FORM.ref_sup4:
      cursor.skip(4);
      return ELSEWHERE;
    case FORM.strp_sup:
    case FORM.GNU_ref_alt:
    case FORM.GNU_strp_alt:
      cursor.skip(unit.offsetSize);
      return ELSEWHERE;
    case FORM.indirect: {
      const actual = cursor.uleb();
      // The standard forbids these two here, and a chain of them would have no end.
      if (actual === FORM.indirect || actual === FORM.implicit_const) {
        cursor.fail();
        return ELSEWHERE;
      }
      return readForm(cursor, actual, unit, 0n);
    }
    default:
      cursor.fail();
      return ELSEWHERE;
  }
}
