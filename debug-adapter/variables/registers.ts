import type { Debuggee } from '../debuggee';
import { hex } from '../format';
import {
  ACCESS_BITS,
  bitsOf,
  CONTROL_REGISTERS,
  DEBUG_REGISTERS,
  describeBits,
  GPR64,
  partsOf,
  REGISTER_BITS,
  SEGMENTS,
  type NamedMask,
} from '../registers';
import type { Frame } from '../stack';
import { group, text, type VariableNode } from './node';

type Assign = (value: bigint) => string | undefined;

/** The names of the bits that are set, to stand behind the value; nothing where none is. */
export function setBits(names: readonly NamedMask[], value: bigint): string {
  const set = describeBits(names, value);
  return set === '' ? '' : ` [${set}]`;
}

/** A register whose bits have names: the value with the names of what is set, and one child for each. */
export function bitRegister(
  name: string,
  value: bigint,
  names: readonly NamedMask[],
  digits: number,
  assign?: Assign,
  evaluateName: string = name.toLowerCase(),
): VariableNode {
  return {
    name,
    value: () => `${hex(value, digits)}${setBits(names, value)}`,
    type: `${digits * 4} bits`,
    evaluateName,
    assign,
    children: () =>
      names.map((bit) => ({
        name: bit.name,
        value: () => bitsOf(bit, value).toString(),
        evaluateName: /^\w+$/.test(bit.name) ? `${evaluateName}.${bit.name}` : undefined,
        assign: assign && ((part) => assignBits(bit, value, part, assign)),
      })),
  };
}

function assignBits(bit: NamedMask, whole: bigint, part: bigint, assign: Assign): string | undefined {
  const largest = bit.mask >> BigInt(bit.shift);
  if (part < 0n || part > largest) return `${bit.name} takes values from 0 to ${largest}.`;
  return assign((whole & ~bit.mask) | (part << BigInt(bit.shift)));
}

/** General registers, RIP and RFLAGS of a frame. Those of outer frames are as unwinding found them, and read-only. */
export function registerNodes(debuggee: Debuggee, frame: Frame): readonly VariableNode[] {
  const state = debuggee.state(frame.layer);
  const innermost = frame.depth === 0;
  const writer = (name: string): Assign | undefined =>
    innermost ? (value) => state.setRegister(name, value) : undefined;
  const wide = state.codeSize === 64;
  const general = GPR64.map((name, gpr): VariableNode => {
    const value = frame.registers.gpr[gpr];
    if (value === undefined) return text(name, '(not saved by the callee)');
    const symbol = debuggee.symbols.name(debuggee.place(frame.layer), value)?.text;
    return {
      name,
      value: () => (symbol === undefined ? hex(value, 16) : `${hex(value, 16)} <${symbol}>`),
      type: '64 bits',
      evaluateName: innermost ? name.toLowerCase() : undefined,
      address: value,
      assign: writer(name),
      children: () =>
        partsOf(gpr)
          .filter(({ bits }) => bits < 64)
          .map((part) => ({
            name: part.name,
            value: () => hex(BigInt.asUintN(part.bits, value >> BigInt(part.shift)), part.bits / 4),
            type: `${part.bits} bits`,
            evaluateName: innermost ? part.name.toLowerCase() : undefined,
            assign: writer(part.name),
          })),
    };
  });
  const rip: VariableNode = {
    name: 'RIP',
    value: () => hex(frame.registers.rip, 16),
    type: wide ? '64 bits' : 'EIP',
    evaluateName: innermost ? 'rip' : undefined,
    address: frame.address,
    assign: writer('RIP'),
  };
  const legacy = wide ? general : general.slice(0, 8);
  if (!innermost) return [rip, ...legacy];
  return [rip, ...legacy, bitRegister('RFLAGS', state.rflags, REGISTER_BITS.RFLAGS, 8, writer('RFLAGS'))];
}

export function systemRegisterNodes(debuggee: Debuggee, frame: Frame): readonly VariableNode[] {
  const state = debuggee.state(frame.layer);
  const writer =
    (name: string): Assign =>
    (value) =>
      state.setRegister(name, value);
  const simple = (name: string, value: bigint, digits: number, address?: bigint): VariableNode => ({
    name,
    value: () => hex(value, digits),
    evaluateName: name.toLowerCase(),
    address,
    assign: writer(name),
  });
  const table = (name: 'GDTR' | 'IDTR', { base, limit }: { base: bigint; limit: number }): VariableNode => ({
    name,
    value: () => `base ${hex(base, 16)}, limit ${hex(limit, 4)}`,
    address: base,
    children: () => [
      { ...simple(`${name}.base`, base, 16, base), name: 'base' },
      { ...simple(`${name}.limit`, BigInt(limit), 4), name: 'limit' },
    ],
  });
  const controls = [...CONTROL_REGISTERS, ...DEBUG_REGISTERS].map((name) => {
    const value = state.control(name);
    const names = REGISTER_BITS[name] as readonly NamedMask[] | undefined;
    return names === undefined ? simple(name, value, 16) : bitRegister(name, value, names, 8, writer(name));
  });
  return [
    ...controls.slice(0, CONTROL_REGISTERS.length),
    ...SEGMENTS.map((name): VariableNode => {
      const { selector, base, limit, access } = state.segment(name);
      const unusable = (access & 0x1_0000) !== 0;
      const extent = `base ${hex(base)}, limit ${hex(limit >>> 0)}, access ${hex(access >>> 0)}`;
      return {
        name,
        value: () => (unusable ? `${hex(selector, 4)} (unusable)` : `${hex(selector, 4)}  ${extent}`),
        evaluateName: name.toLowerCase(),
        assign: writer(`${name}.selector`),
        children: () => [
          { ...simple(`${name}.selector`, BigInt(selector), 4), name: 'selector' },
          { ...simple(`${name}.base`, base, 16, base), name: 'base' },
          { ...simple(`${name}.limit`, BigInt(limit >>> 0), 8), name: 'limit' },
          {
            ...bitRegister('access', BigInt(access >>> 0), ACCESS_BITS, 5, writer(`${name}.access`)),
            evaluateName: `${name.toLowerCase()}.access`,
          },
        ],
      };
    }),
    table('GDTR', state.gdtr),
    table('IDTR', state.idtr),
    group('Debug registers', '', () => controls.slice(CONTROL_REGISTERS.length)),
    ...(state.eptp === undefined ? [] : [text('EPTP', hex(state.eptp, 16))]),
  ];
}
