import type { Expr } from './expr';

/** WebAssembly's scalar floating-point instructions that the semantics use. None of them traps. */
const PLAIN = {
  'f32.eq': 0x5b,
  'f32.ne': 0x5c,
  'f32.lt': 0x5d,
  'f32.gt': 0x5e,
  'f32.le': 0x5f,
  'f32.ge': 0x60,
  'f64.eq': 0x61,
  'f64.ne': 0x62,
  'f64.lt': 0x63,
  'f64.gt': 0x64,
  'f64.le': 0x65,
  'f64.ge': 0x66,
  'f32.abs': 0x8b,
  'f32.neg': 0x8c,
  'f32.ceil': 0x8d,
  'f32.floor': 0x8e,
  'f32.trunc': 0x8f,
  'f32.nearest': 0x90,
  'f32.sqrt': 0x91,
  'f32.add': 0x92,
  'f32.sub': 0x93,
  'f32.mul': 0x94,
  'f32.div': 0x95,
  'f64.abs': 0x99,
  'f64.neg': 0x9a,
  'f64.ceil': 0x9b,
  'f64.floor': 0x9c,
  'f64.trunc': 0x9d,
  'f64.nearest': 0x9e,
  'f64.sqrt': 0x9f,
  'f64.add': 0xa0,
  'f64.sub': 0xa1,
  'f64.mul': 0xa2,
  'f64.div': 0xa3,
  'f32.convert_i32_s': 0xb2,
  'f32.convert_i64_s': 0xb4,
  'f32.demote_f64': 0xb6,
  'f64.convert_i32_s': 0xb7,
  'f64.convert_i64_s': 0xb9,
  'f64.promote_f32': 0xbb,
  'i32.reinterpret_f32': 0xbc,
  'i64.reinterpret_f64': 0xbd,
  'f32.reinterpret_i32': 0xbe,
  'f64.reinterpret_i64': 0xbf,
} as const;

/** Conversions that saturate instead of trapping; NaN gives 0. */
const SATURATING = {
  'i32.trunc_sat_f32_s': 0,
  'i32.trunc_sat_f32_u': 1,
  'i32.trunc_sat_f64_s': 2,
  'i32.trunc_sat_f64_u': 3,
  'i64.trunc_sat_f32_s': 4,
  'i64.trunc_sat_f32_u': 5,
  'i64.trunc_sat_f64_s': 6,
  'i64.trunc_sat_f64_u': 7,
} as const;

const SATURATING_PREFIX = 0xfc;

/** A scalar floating-point instruction by its WebAssembly name. */
export const float = (name: keyof typeof PLAIN, ...args: readonly Expr[]): Expr => ({
  kind: 'op',
  opcode: PLAIN[name],
  args,
});

export const truncateSaturating = (name: keyof typeof SATURATING, value: Expr): Expr => ({
  kind: 'prefixed',
  prefix: SATURATING_PREFIX,
  opcode: SATURATING[name],
  args: [value],
  immediates: [],
});
