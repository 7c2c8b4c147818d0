import type { LayerState } from '../../emulator/api';
import { BINARY32, BINARY64 } from '../../emulator/float/format';
import { UNIT_REGISTERS, type UnitRegister } from '../../emulator/machine/unit-registers';
import type { Debuggee } from '../debuggee';
import { extendedText, floatText } from '../float-text';
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
}

const integers = (bits: Lanes['bits']): Lanes => ({ name: `int${bits}`, bits, text: (lane) => wideHex(lane, bits) });

const LANES: readonly Lanes[] = [
  { name: 'float', bits: 32, text: (lane) => floatText(BINARY32, lane) },
  { name: 'double', bits: 64, text: (lane) => floatText(BINARY64, lane) },
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
          // What is typed is the lane's encoding: the debugger's numbers are integers.
          assign: (part) => {
            if (part < 0n || part >> BigInt(lanes.bits) !== 0n)
              return `A lane of ${lanes.bits} bits does not hold that.`;
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
    // Expressions have 64 bits.
    evaluateName: bits <= 64 ? name.toLowerCase() : undefined,
    assign,
    children: /^[XY]?MM/.test(name) ? () => laneNodes(state, register, value) : undefined,
  };
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
