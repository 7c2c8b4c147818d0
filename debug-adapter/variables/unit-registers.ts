import type { LayerState } from '../../emulator/api';
import { BINARY32, BINARY64 } from '../../emulator/float/format';
import { unitRegister, UNIT_REGISTERS, type UnitRegister } from '../../emulator/machine/unit-registers';
import type { Debuggee } from '../debuggee';
import { extendedText, floatText } from '../float-text';
import { hex } from '../format';
import type { NamedMask } from '../registers';
import type { Frame } from '../stack';
import { group, type VariableNode } from './node';
import { bitRegister } from './registers';

const wideHex = (value: bigint, bits: number): string => `0x${value.toString(16).padStart(bits / 4, '0')}`;

const bit = (name: string, at: number, width = 1): NamedMask => ({
  name,
  mask: ((1n << BigInt(width)) - 1n) << BigInt(at),
  shift: at,
});

const FLAGS = ['I', 'D', 'Z', 'O', 'U', 'P'] as const;
const flags = FLAGS.map((letter, i) => bit(`${letter}E`, i));
const masks = (from: number): readonly NamedMask[] => FLAGS.map((letter, i) => bit(`${letter}M`, from + i));

/** Bits of the control and status registers, the low ones first. */
const BITS: Readonly<Record<string, readonly NamedMask[]>> = {
  FCW: [...masks(0), bit('PC', 8, 2), bit('RC', 10, 2), bit('X', 12)],
  FSW: [
    ...flags,
    bit('SF', 6),
    bit('ES', 7),
    ...[0, 1, 2].map((n) => bit(`C${n}`, 8 + n)),
    bit('TOP', 11, 3),
    bit('C3', 14),
    bit('B', 15),
  ],
  MXCSR: [...flags, bit('DAZ', 6), ...masks(7), bit('RC', 13, 2), bit('FTZ', 15)],
};

/** How a vector is divided: lanes from the low end. */
interface Lanes {
  readonly name: string;
  readonly bits: 8 | 16 | 32 | 64;
  readonly text: (lane: bigint) => string;
  readonly read?: (text: string) => bigint | undefined;
}

const integers = (bits: Lanes['bits']): Lanes => ({ name: `int${bits}`, bits, text: (lane) => wideHex(lane, bits) });

const DECIMAL = /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i;
/** The encoding of a number in decimal; in hexadecimal an encoding is written itself. */
function encoding(text: string, bits: 32 | 64): bigint | undefined {
  if (!DECIMAL.test(text)) return undefined;
  const view = new DataView(new ArrayBuffer(8));
  if (bits === 32) {
    view.setFloat32(0, Number(text));
    return BigInt(view.getUint32(0));
  }
  view.setFloat64(0, Number(text));
  return view.getBigUint64(0);
}

const LANES: readonly Lanes[] = [
  { name: 'float', bits: 32, text: (lane) => floatText(BINARY32, lane), read: (text) => encoding(text, 32) },
  { name: 'double', bits: 64, text: (lane) => floatText(BINARY64, lane), read: (text) => encoding(text, 64) },
  ...([8, 16, 32, 64] as const).map(integers),
];

function laneNodes(state: LayerState, { name, bits }: UnitRegister, value: bigint): readonly VariableNode[] {
  return LANES.map((lanes): VariableNode => {
    const values = Array.from({ length: bits / lanes.bits }, (_, i) =>
      BigInt.asUintN(lanes.bits, value >> BigInt(i * lanes.bits)),
    );
    return group(lanes.name, values.map(lanes.text).join(', '), () =>
      values.map((lane, i): VariableNode => {
        const shift = BigInt(i * lanes.bits);
        return {
          name: `[${i}]`,
          value: () => lanes.text(lane),
          type: `${lanes.bits} bits`,
          read: lanes.read,
          assign: (part) => {
            if (part < 0n || part >> BigInt(lanes.bits) !== 0n)
              return `${name}[${i}] has ${lanes.bits} bits; ${hex(part)} does not fit.`;
            return state.setRegister(name, (value & ~(((1n << BigInt(lanes.bits)) - 1n) << shift)) | (part << shift));
          },
        };
      }),
    );
  });
}

function node(state: LayerState, register: UnitRegister): VariableNode {
  const { name, bits } = register;
  const value = state.unit(name) ?? 0n;
  const assign = (wanted: bigint): string | undefined => state.setRegister(name, wanted);
  const named = BITS[name] as readonly NamedMask[] | undefined;
  if (named !== undefined) return bitRegister(name, value, named, bits / 4, assign);
  const shown = wideHex(value, bits);
  return {
    name,
    value: () => (bits === 80 ? `${shown}  ${extendedText(value)}${emptiness(state, register)}` : shown),
    type: `${bits} bits`,
    evaluateName: name.toLowerCase(),
    assign,
    read: bits > 64 ? wideNumber : undefined,
    children: /^[XY]?MM/.test(name) ? () => laneNodes(state, register, value) : undefined,
  };
}

/** A hexadecimal number of more than the 64 bits of expressions; what is shown behind it does not count. */
function wideNumber(text: string): bigint | undefined {
  const match = /^\s*(0x[0-9a-f]{17,})(\s|$)/i.exec(text);
  return match === null ? undefined : BigInt(match[1]);
}

/** The register of more than 64 bits that a text names and nothing else, which expressions do not reach. */
export function wideRegisterNode(debuggee: Debuggee, frame: Frame, text: string): VariableNode | undefined {
  const register = unitRegister(text.trim());
  return register !== undefined && register.bits > 64 ? node(debuggee.state(frame.layer), register) : undefined;
}

/** Whether the tag word calls ST(i) empty. */
function emptiness(state: LayerState, { stack = 0 }: UnitRegister): string {
  const top = Number(((state.unit('FSW') ?? 0n) >> 11n) & 7n);
  return (((state.unit('FTW') ?? 0n) >> BigInt((top + stack) & 7)) & 1n) === 0n ? ' (empty)' : '';
}

/** x87, MMX and vector registers, a group each, and MXCSR. */
export function unitRegisterNodes(debuggee: Debuggee, frame: Frame): readonly VariableNode[] {
  const state = debuggee.state(frame.layer);
  const registers = (name: Exclude<keyof typeof UNIT_REGISTERS, 'MXCSR'>): VariableNode => {
    // Outside 64-bit mode there are 8 vector registers.
    const all: readonly UnitRegister[] = UNIT_REGISTERS[name];
    const there = /^[XY]/.test(name) && state.codeSize !== 64 ? all.slice(0, 8) : all;
    return group(name, '', () => there.map((register) => node(state, register)));
  };
  return [registers('FPU'), registers('MMX'), registers('XMM'), registers('YMM'), node(state, UNIT_REGISTERS.MXCSR[0])];
}
