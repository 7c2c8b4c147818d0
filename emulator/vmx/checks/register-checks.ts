import { bitNames } from '../../tables/vmx/register-bits';
import type { NamedRegister } from '../../tables/vmx/register-bits';
import { hexOf, nameOf } from './check';
import type { CheckRow } from './check';
import type { Mask, VmcsReader } from './reader';

/** Bits that a fixed-bits check is not to look at. */
export type Exempt = (v: VmcsReader) => number;

const wide = ({ low, high }: Mask): bigint => (BigInt(high) << 32n) | BigInt(low);

/** A control register has the bits that IA32_VMX_CRn_FIXED0 and FIXED1 fix; `exempt` are bits of the low half not required. */
export function fixedBits(
  id: string,
  encoding: number,
  register: 'CR0' | 'CR4',
  exempt: Exempt,
  exemptFields: readonly number[],
): CheckRow {
  const name = nameOf(encoding);
  const key = register === 'CR0' ? 'cr0' : 'cr4';
  const missing = (v: VmcsReader): bigint =>
    wide(v.limits[key].mustBeOne) & ~BigInt(exempt(v) >>> 0) & ~v.field(encoding);
  const excess = (v: VmcsReader): bigint => v.field(encoding) & ~wide(v.limits[key].mayBeOne);
  const list = (v: VmcsReader, one: string, zero: string): string =>
    [
      missing(v) === 0n ? '' : `${bitNames(register, missing(v))} = ${one}`,
      excess(v) === 0n ? '' : `${bitNames(register, excess(v))} = ${zero}`,
    ]
      .filter((part) => part !== '')
      .join('; ');
  return {
    id,
    fields: [encoding, ...exemptFields],
    holds: (v) => {
      const { mustBeOne, mayBeOne } = v.limits[key];
      const low = v.u32(encoding);
      const high = v.high32(encoding);
      return (
        (mustBeOne.low & ~exempt(v) & ~low) === 0 &&
        (low & ~mayBeOne.low) === 0 &&
        (mustBeOne.high & ~high) === 0 &&
        (high & ~mayBeOne.high) === 0
      );
    },
    rule: `${name} has no bit that VMX operation does not support: IA32_VMX_${register}_FIXED0 and FIXED1.`,
    required: (v) => list(v, '1', '0'),
    actual: (v) => `${name} = ${hexOf(v, encoding)}: ${list(v, '0', '1')}`,
    remedy: `OR ${name} with IA32_VMX_${register}_FIXED0 and AND it with IA32_VMX_${register}_FIXED1.`,
  };
}

export interface Condition {
  readonly test: (v: VmcsReader) => boolean;
  readonly words: string;
  readonly fields: readonly number[];
}

const ALWAYS: Condition = { test: () => true, words: '', fields: [] };
const lead = (when: Condition): string => (when.words === '' ? '' : `${when.words}, `);

/** CR3 bits 62 and 61, LAM_U48 and LAM_U57, in its high word. */
const LAM_USER_HIGH = 0x6000_0000;

/** CR3 has no bit beyond the physical-address width, but those of LAM where the processor has it. */
export function cr3Width(id: string, encoding: number): CheckRow {
  const name = nameOf(encoding);
  return {
    id,
    fields: [encoding],
    holds: (v) => (v.high32(encoding) & ~(v.limits.lam ? LAM_USER_HIGH : 0)) >>> 0 < 2 ** (v.limits.physicalBits - 32),
    rule: `Bits of ${name} beyond the physical-address width are 0 (but bits 62:61 with linear-address masking).`,
    required: (v) => `bits 63:${v.limits.physicalBits} of ${name} = 0${v.limits.lam ? ', 62:61 apart' : ''}`,
    actual: (v) => `${name} = ${hexOf(v, encoding)}`,
    remedy: `Write the physical address of the top-level paging structure to ${name}; bit 63 is only for MOV to CR3.`,
  };
}

/** Which of 0 to 7 are memory types: UC, WC, WT, WP, WB, UC-. */
const MEMORY_TYPES = 0b1111_0011;

function patHalf(value: number): boolean {
  for (let shift = 0; shift < 32; shift += 8) {
    const type = (value >>> shift) & 0xff;
    if (type > 7 || ((MEMORY_TYPES >>> type) & 1) === 0) return false;
  }
  return true;
}

/** Each byte of IA32_PAT is a memory type. */
export function patCheck(id: string, encoding: number, when: Condition): CheckRow {
  const name = nameOf(encoding);
  return {
    id,
    fields: [encoding, ...when.fields],
    holds: (v) => !when.test(v) || (patHalf(v.u32(encoding)) && patHalf(v.high32(encoding))),
    rule: `${lead(when)}each of the 8 bytes of ${name} is 0 (UC), 1 (WC), 4 (WT), 5 (WP), 6 (WB) or 7 (UC-).`,
    required: () => 'every byte one of 0, 1, 4, 5, 6, 7',
    actual: (v) => `${name} = ${hexOf(v, encoding)}`,
    remedy: `Write 0x0007040600070406, the value after reset, to ${name} if nothing else is wanted.`,
  };
}

/** Bits of a register outside a supported set are 0. */
export function reservedZero(
  id: string,
  encoding: number,
  register: NamedRegister,
  supported: (v: VmcsReader) => number,
  when: Condition = ALWAYS,
): CheckRow {
  const name = nameOf(encoding);
  const wrong = (v: VmcsReader): bigint => v.field(encoding) & ~BigInt(supported(v) >>> 0);
  return {
    id,
    fields: [encoding, ...when.fields],
    holds: (v) => !when.test(v) || ((v.u32(encoding) & ~supported(v)) === 0 && v.high32(encoding) === 0),
    rule: `${lead(when)}reserved bits of ${name} are 0.`,
    required: (v) => `${bitNames(register, wrong(v))} = 0`,
    actual: (v) => `${name} = ${hexOf(v, encoding)}: ${bitNames(register, wrong(v))} = 1`,
    remedy: `Clear the reserved bits of ${name}.`,
  };
}

/** The upper halves that must be 0: DR7, IA32_PKRS. */
export function upperZero(id: string, encoding: number, when: Condition): CheckRow {
  const name = nameOf(encoding);
  return {
    id,
    fields: [encoding, ...when.fields],
    holds: (v) => !when.test(v) || v.high32(encoding) === 0,
    rule: `${lead(when)}bits 63:32 of ${name} are 0.`,
    required: () => `bits 63:32 of ${name} = 0`,
    remedy: `Clear bits 63:32 of ${name}.`,
  };
}

/** CR4.CET may be 1 only with CR0.WP. */
export function cetNeedsWp(id: string, cr0: number, cr4: number): CheckRow {
  return {
    id,
    fields: [cr0, cr4],
    holds: (v) => (v.u32(cr4) & 0x80_0000) === 0 || (v.u32(cr0) & 0x1_0000) !== 0,
    rule: `If bit 23 of ${nameOf(cr4)} (CET) is 1, bit 16 of ${nameOf(cr0)} (WP) is 1.`,
    required: () => `${nameOf(cr0)}.WP = 1`,
    actual: () => `${nameOf(cr4)}.CET = 1, ${nameOf(cr0)}.WP = 0`,
    remedy: `Set WP in ${nameOf(cr0)}, or clear CET in ${nameOf(cr4)}.`,
  };
}

/** IA32_S_CET: bits 9:6 are reserved, and TRACKER (11) excludes SUPPRESS (10). */
export function cetState(id: string, encoding: number, when: Condition): CheckRow {
  const name = nameOf(encoding);
  return {
    id,
    fields: [encoding, ...when.fields],
    holds: (v) => !when.test(v) || ((v.u32(encoding) & 0x3c0) === 0 && (v.u32(encoding) & 0xc00) !== 0xc00),
    rule: `${lead(when)}bits 9:6 of ${name} are 0 and bits 11:10 are not both 1.`,
    required: () => `bits 9:6 of ${name} = 0, bits 11:10 not 3`,
    remedy: `Clear the reserved bits of ${name}.`,
  };
}

/** SSP is 4-byte aligned. */
export function alignedSsp(id: string, encoding: number, when: Condition): CheckRow {
  const name = nameOf(encoding);
  return {
    id,
    fields: [encoding, ...when.fields],
    holds: (v) => !when.test(v) || (v.u32(encoding) & 3) === 0,
    rule: `${lead(when)}bits 1:0 of ${name} are 0.`,
    required: () => `bits 1:0 of ${name} = 0`,
    remedy: `Align ${name} to 4 bytes.`,
  };
}

const EFER_LMA = 0x400;
const EFER_LME = 0x100;

/** LMA and LME are as a control says; LME is looked at only where `lme`. */
export function eferMode(id: string, encoding: number, when: Condition, mode: Condition, lme: Condition): CheckRow {
  const name = nameOf(encoding);
  return {
    id,
    fields: [encoding, ...when.fields, ...mode.fields, ...lme.fields],
    holds: (v) => {
      if (!when.test(v)) return true;
      const low = v.u32(encoding);
      const long = mode.test(v);
      return ((low & EFER_LMA) !== 0) === long && (!lme.test(v) || ((low & EFER_LME) !== 0) === long);
    },
    rule: `${lead(when)}LMA (bit 10) of ${name} equals ${mode.words}, and so does LME (bit 8)${lme.words}.`,
    required: (v) => `LMA = ${mode.test(v) ? 1 : 0}${lme.test(v) ? `, LME = ${mode.test(v) ? 1 : 0}` : ''}`,
    actual: (v) =>
      `${name} = ${hexOf(v, encoding)}: LMA = ${(v.u32(encoding) >>> 10) & 1}, LME = ${(v.u32(encoding) >>> 8) & 1}`,
    remedy: `Make LMA and LME of ${name} equal to ${mode.words}.`,
  };
}
