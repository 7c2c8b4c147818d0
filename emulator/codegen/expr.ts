/**
 * Expressions: trees of WebAssembly value instructions, built bottom-up and emitted once by `FunctionBuilder`.
 *
 * An expression that is used twice is emitted (and computed) twice: name it with `FunctionBuilder.local` first.
 */

export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

export type Expr =
  | { readonly kind: 'const'; readonly type: 'i32' | 'i64'; readonly value: bigint }
  | { readonly kind: 'get'; readonly local: number }
  | { readonly kind: 'op'; readonly opcode: number; readonly args: readonly Expr[] }
  /** An instruction behind a prefix byte, with its immediates (see `simd.ts`, `floats.ts`). */
  | {
      readonly kind: 'prefixed';
      readonly prefix: number;
      readonly opcode: number;
      readonly args: readonly Expr[];
      readonly immediates: readonly number[];
    }
  | {
      readonly kind: 'load';
      readonly opcode: number;
      readonly prefix?: number;
      readonly address: Expr;
      readonly offset: number;
    }
  | { readonly kind: 'call-indirect'; readonly type: number; readonly index: Expr; readonly args: readonly Expr[] }
  | { readonly kind: 'call'; readonly callee: number; readonly args: readonly Expr[] };

export const i32 = (value: number): Expr => ({ kind: 'const', type: 'i32', value: BigInt(value | 0) });
export const i64 = (value: number | bigint): Expr => ({
  kind: 'const',
  type: 'i64',
  value: BigInt.asIntN(64, BigInt(value)),
});
export const get = (local: number): Expr => ({ kind: 'get', local });
export const call = (callee: number, ...args: readonly Expr[]): Expr => ({ kind: 'call', callee, args });
/** Calls the function that the module's table has at `index`; `type` as `ModuleBuilder.type` gives it. */
export const callIndirect = (type: number, index: Expr, ...args: readonly Expr[]): Expr => ({
  kind: 'call-indirect',
  type,
  index,
  args,
});

const unary =
  (opcode: number) =>
  (x: Expr): Expr => ({ kind: 'op', opcode, args: [x] });
const binary =
  (opcode: number) =>
  (x: Expr, y: Expr): Expr => ({ kind: 'op', opcode, args: [x, y] });
const loadOp =
  (opcode: number) =>
  (address: Expr, offset = 0): Expr => ({ kind: 'load', opcode, address, offset });

/** `select(a, b, condition)` is a where condition is not 0; both are computed. */
export const select = (a: Expr, b: Expr, condition: Expr): Expr => ({
  kind: 'op',
  opcode: 0x1b,
  args: [a, b, condition],
});

// i64
export const add = binary(0x7c);
export const sub = binary(0x7d);
export const mul = binary(0x7e);
export const divS = binary(0x7f);
export const divU = binary(0x80);
export const remS = binary(0x81);
export const remU = binary(0x82);
export const and = binary(0x83);
export const or = binary(0x84);
export const xor = binary(0x85);
export const shl = binary(0x86);
export const shrS = binary(0x87);
export const shrU = binary(0x88);
export const rotl = binary(0x89);
export const rotr = binary(0x8a);
export const clz = unary(0x79);
export const ctz = unary(0x7a);
export const popcnt = unary(0x7b);
export const eqz = unary(0x50);
export const eq = binary(0x51);
export const ne = binary(0x52);
export const ltS = binary(0x53);
export const ltU = binary(0x54);
export const gtU = binary(0x56);
export const geU = binary(0x5a);

// i32
export const add32 = binary(0x6a);
export const sub32 = binary(0x6b);
export const mul32 = binary(0x6c);
export const and32 = binary(0x71);
export const or32 = binary(0x72);
export const xor32 = binary(0x73);
export const shl32 = binary(0x74);
export const shrU32 = binary(0x76);
export const popcnt32 = unary(0x69);
export const eqz32 = unary(0x45);
export const eq32 = binary(0x46);
export const ne32 = binary(0x47);
export const ltS32 = binary(0x48);
export const ltU32 = binary(0x49);
export const gtU32 = binary(0x4b);
export const geS32 = binary(0x4e);
export const geU32 = binary(0x4f);

// conversions
export const wrap = unary(0xa7);
export const extendU = unary(0xad);
export const signExtend8 = unary(0xc2);
export const signExtend16 = unary(0xc3);
export const signExtend32 = unary(0xc4);

// loads: i64 results unless the name says 32
export const load64 = loadOp(0x29);
export const load32S = loadOp(0x34);
export const load32U = loadOp(0x35);
export const load16S = loadOp(0x32);
export const load16U = loadOp(0x33);
export const load8S = loadOp(0x30);
export const load8U = loadOp(0x31);
export const loadI32 = loadOp(0x28);
export const loadI32From8U = loadOp(0x2d);
export const loadI32From16U = loadOp(0x2f);
