import type { CpuFeature } from '../cpuid-features';
import type { InstructionRow } from '../instruction-types';
import { warm } from './row';

/** Where a vector instruction stands in the opcode maps. */
interface Place {
  /** Mandatory prefix. */
  readonly prefix: 'NP' | '66' | 'F3' | 'F2';
  /** Map bytes, and VEX's name of the map. */
  readonly map: '0F' | '0F 38' | '0F 3A';
  /** Opcode byte and what follows it: '58 /r'. */
  readonly opcode: string;
}

const vexMap = (map: Place['map']): string => map.replace(' ', '');

/** The two-operand SSE form. */
export const sse = (
  { prefix, map, opcode }: Place,
  mnemonic: string,
  operands: string,
  key: string,
  feature: CpuFeature,
): InstructionRow => warm(`${prefix} ${map} ${opcode}`, mnemonic, operands, 'q', key, { unit: 'sse', feature });

/** A VEX form of one length; `w` is W0, W1 or WIG. */
export const vex = (
  length: '128' | '256' | 'LIG',
  w: 'W0' | 'W1' | 'WIG',
  { prefix, map, opcode }: Place,
  mnemonic: string,
  operands: string,
  key: string,
  feature: CpuFeature,
): InstructionRow =>
  warm(`VEX.${length}.${prefix}.${vexMap(map)}.${w} ${opcode}`, `V${mnemonic}`, operands, 'q', key, {
    unit: 'avx',
    feature,
  });

/** Packed integers, `OP V, W`: SSE, and AVX with VEX.vvvv in between; the 256-bit form came with AVX2. */
export const packedInteger = (
  place: Omit<Place, 'prefix'>,
  mnemonic: string,
  key: string,
  feature: CpuFeature = 'sse2',
  last: '' | ' Ib' = '',
): readonly InstructionRow[] => {
  const at: Place = { ...place, prefix: '66' };
  return [
    sse(at, mnemonic, `Vx Wx${last}`, key, feature),
    vex('128', 'WIG', at, mnemonic, `Vx Hx Wx${last}`, key, 'avx'),
    vex('256', 'WIG', at, mnemonic, `Vx Hx Wx${last}`, key, 'avx2'),
  ];
};

/** As `packedInteger`, with the MMX form that has no prefix. */
export const packedIntegerMmx = (
  place: Omit<Place, 'prefix'>,
  mnemonic: string,
  key: string,
  feature: CpuFeature = 'mmx',
  later: CpuFeature = 'sse2',
  last: '' | ' Ib' = '',
): readonly InstructionRow[] => [
  warm(`NP ${place.map} ${place.opcode}`, mnemonic, `Pq Qq${last}`, 'q', key, { unit: 'mmx', feature }),
  ...packedInteger(place, mnemonic, key, later, last),
];
