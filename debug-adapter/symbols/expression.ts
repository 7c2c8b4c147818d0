/** DWARF expressions ("DWARF Expressions") that compute an address: what call frame information uses of them. */
import { Cursor } from './cursor';

export interface ExpressionEnvironment {
  /** By DWARF register number. */
  readonly register: (dwarfRegister: number) => bigint | undefined;
  readonly readMemory: (address: bigint, size: number) => bigint | undefined;
  readonly addressSize: number;
  /** Added to addresses the expression itself contains. */
  readonly loadBias: bigint;
}

/** Branches could make an expression run for ever; real ones take a few dozen steps. */
const MAXIMUM_STEPS = 10_000;
const MAXIMUM_STACK = 256;

/** The value on top of the stack at the end; undefined where it is damaged or needs what is not known. */
export function evaluateExpression(
  bytes: Uint8Array,
  environment: ExpressionEnvironment,
  initial?: bigint,
): bigint | undefined {
  const { addressSize } = environment;
  const bits = addressSize * 8;
  const cursor = new Cursor(bytes);
  const stack: bigint[] = initial === undefined ? [] : [initial];
  const push = (value: bigint): void => void stack.push(BigInt.asUintN(bits, value));
  const signed = (value: bigint): bigint => BigInt.asIntN(bits, value);
  for (let steps = 0; cursor.more; steps++) {
    if (steps > MAXIMUM_STEPS || stack.length > MAXIMUM_STACK) return undefined;
    const op = cursor.u8();
    if (op >= 0x30 && op <= 0x4f) {
      push(BigInt(op - 0x30));
      continue;
    }
    if (op >= 0x70 && op <= 0x8f) {
      const base = environment.register(op - 0x70);
      if (base === undefined) return undefined;
      push(base + cursor.slebBig());
      continue;
    }
    if (isBinary(op)) {
      const b = stack.pop();
      const a = stack.pop();
      if (a === undefined || b === undefined) return undefined;
      const result = binary(op, a, b, signed, bits);
      if (result === undefined) return undefined;
      push(result);
      continue;
    }
    switch (op) {
      case 0x03:
        push(cursor.unsigned(addressSize) + environment.loadBias);
        break;
      case 0x06:
      case 0x94: {
        const size = op === 0x06 ? addressSize : cursor.u8();
        const address = stack.pop();
        const value = address === undefined || size > 8 ? undefined : environment.readMemory(address, size);
        if (value === undefined) return undefined;
        push(value);
        break;
      }
      case 0x08:
        push(cursor.unsigned(1));
        break;
      case 0x09:
        push(cursor.signed(1));
        break;
      case 0x0a:
        push(cursor.unsigned(2));
        break;
      case 0x0b:
        push(cursor.signed(2));
        break;
      case 0x0c:
        push(cursor.unsigned(4));
        break;
      case 0x0d:
        push(cursor.signed(4));
        break;
      case 0x0e:
        push(cursor.unsigned(8));
        break;
      case 0x0f:
        push(cursor.signed(8));
        break;
      case 0x10:
        push(cursor.ulebBig());
        break;
      case 0x11:
        push(cursor.slebBig());
        break;
      case 0x12:
      case 0x14:
      case 0x15: {
        const index = op === 0x12 ? 0 : op === 0x14 ? 1 : cursor.u8();
        const value = stack[stack.length - 1 - index];
        if (value === undefined) return undefined;
        push(value);
        break;
      }
      case 0x13:
        if (stack.pop() === undefined) return undefined;
        break;
      case 0x16:
      case 0x17: {
        const moved = stack.splice(-(op - 0x14));
        if (moved.length !== op - 0x14) return undefined;
        stack.push(moved[moved.length - 1], ...moved.slice(0, -1));
        break;
      }
      case 0x19:
      case 0x1f:
      case 0x20: {
        const value = stack.pop();
        if (value === undefined) return undefined;
        push(op === 0x1f ? -value : op === 0x20 ? ~value : signed(value) < 0n ? -value : value);
        break;
      }
      case 0x23: {
        const value = stack.pop();
        if (value === undefined) return undefined;
        push(value + cursor.ulebBig());
        break;
      }
      case 0x28:
      case 0x2f: {
        const distance = Number(cursor.signed(2));
        const taken = op === 0x2f || (stack.pop() ?? 0n) !== 0n;
        if (!taken) break;
        const target = cursor.position + distance;
        if (target < 0 || target > bytes.length) return undefined;
        cursor.position = target;
        break;
      }
      case 0x92: {
        const base = environment.register(cursor.uleb());
        if (base === undefined) return undefined;
        push(base + cursor.slebBig());
        break;
      }
      case 0x96:
        break;
      default:
        return undefined;
    }
    if (cursor.failed) return undefined;
  }
  return stack.pop();
}

function isBinary(op: number): boolean {
  return (
    (op >= 0x1a && op <= 0x1e) || op === 0x21 || op === 0x22 || (op >= 0x24 && op <= 0x27) || (op >= 0x29 && op <= 0x2e)
  );
}

function binary(op: number, a: bigint, b: bigint, signed: (v: bigint) => bigint, bits: number): bigint | undefined {
  const flag = (value: boolean): bigint => (value ? 1n : 0n);
  switch (op) {
    case 0x1a:
      return a & b;
    case 0x1b:
      return b === 0n ? undefined : signed(a) / signed(b);
    case 0x1c:
      return a - b;
    case 0x1d:
      return b === 0n ? undefined : a % b;
    case 0x1e:
      return a * b;
    case 0x21:
      return a | b;
    case 0x22:
      return a + b;
    case 0x24:
      return b >= BigInt(bits) ? 0n : a << b;
    case 0x25:
      return b >= BigInt(bits) ? 0n : a >> b;
    case 0x26:
      return signed(a) >> (b >= BigInt(bits) ? BigInt(bits - 1) : b);
    case 0x27:
      return a ^ b;
    case 0x29:
      return flag(a === b);
    case 0x2a:
      return flag(signed(a) >= signed(b));
    case 0x2b:
      return flag(signed(a) > signed(b));
    case 0x2c:
      return flag(signed(a) <= signed(b));
    case 0x2d:
      return flag(signed(a) < signed(b));
    default:
      return flag(a !== b);
  }
}
