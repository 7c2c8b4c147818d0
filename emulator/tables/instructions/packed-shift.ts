import type { InstructionRow } from '../instruction-types';
import { warm } from './row';
import { packedIntegerMmx } from './vector-rows';

const MMX = { unit: 'mmx', feature: 'mmx' } as const;
const SSE2 = { unit: 'sse', feature: 'sse2' } as const;
const AVX = { unit: 'avx', feature: 'avx' } as const;
const AVX2 = { unit: 'avx', feature: 'avx2' } as const;

/** By a count in a vector: 128 bits of it whatever the length. */
const byVector = (opcode: string, mnemonic: string): readonly InstructionRow[] => {
  const key = mnemonic.toLowerCase();
  return [
    warm(`NP 0F ${opcode} /r`, mnemonic, 'Pq Qq', 'q', key, MMX),
    warm(`66 0F ${opcode} /r`, mnemonic, 'Vx Wdq', 'q', key, SSE2),
    warm(`VEX.128.66.0F.WIG ${opcode} /r`, `V${mnemonic}`, 'Vx Hx Wdq', 'q', key, AVX),
    warm(`VEX.256.66.0F.WIG ${opcode} /r`, `V${mnemonic}`, 'Vx Hx Wdq', 'q', key, AVX2),
  ];
};

const vectorsByImmediate = (opcode: string, mnemonic: string, key: string): readonly InstructionRow[] => [
  warm(`66 0F ${opcode}`, mnemonic, 'Ux Ib', 'q', key, SSE2),
  warm(`VEX.128.66.0F.WIG ${opcode}`, `V${mnemonic}`, 'Hx Ux Ib', 'q', key, AVX),
  warm(`VEX.256.66.0F.WIG ${opcode}`, `V${mnemonic}`, 'Hx Ux Ib', 'q', key, AVX2),
];

/** By an immediate: opcode groups 12, 13 and 14. */
const byImmediate = (opcode: string, mnemonic: string): readonly InstructionRow[] => {
  const key = `${mnemonic.toLowerCase()}_imm`;
  return [warm(`NP 0F ${opcode}`, mnemonic, 'Nq Ib', 'q', key, MMX), ...vectorsByImmediate(opcode, mnemonic, key)];
};

/** Lane by lane, AVX2 only. */
const byLanes = (opcode: string, w: 'W0' | 'W1', mnemonic: string): readonly InstructionRow[] =>
  (['128', '256'] as const).map((length) =>
    warm(`VEX.${length}.66.0F38.${w} ${opcode} /r`, mnemonic, 'Vx Hx Wx', 'q', mnemonic.toLowerCase(), AVX2),
  );

/** Shifts of packed integers. */
export const PACKED_SHIFT_ROWS: readonly InstructionRow[] = [
  ...byVector('F1', 'PSLLW'),
  ...byVector('F2', 'PSLLD'),
  ...byVector('F3', 'PSLLQ'),
  ...byVector('D1', 'PSRLW'),
  ...byVector('D2', 'PSRLD'),
  ...byVector('D3', 'PSRLQ'),
  ...byVector('E1', 'PSRAW'),
  ...byVector('E2', 'PSRAD'),
  ...byImmediate('71 /6', 'PSLLW'),
  ...byImmediate('72 /6', 'PSLLD'),
  ...byImmediate('73 /6', 'PSLLQ'),
  ...byImmediate('71 /2', 'PSRLW'),
  ...byImmediate('72 /2', 'PSRLD'),
  ...byImmediate('73 /2', 'PSRLQ'),
  ...byImmediate('71 /4', 'PSRAW'),
  ...byImmediate('72 /4', 'PSRAD'),
  ...vectorsByImmediate('73 /7', 'PSLLDQ', 'pslldq'),
  ...vectorsByImmediate('73 /3', 'PSRLDQ', 'psrldq'),
  ...byLanes('47', 'W0', 'VPSLLVD'),
  ...byLanes('47', 'W1', 'VPSLLVQ'),
  ...byLanes('45', 'W0', 'VPSRLVD'),
  ...byLanes('45', 'W1', 'VPSRLVQ'),
  ...byLanes('46', 'W0', 'VPSRAVD'),
  ...packedIntegerMmx({ map: '0F 3A', opcode: '0F /r' }, 'PALIGNR', 'palignr', 'ssse3', 'ssse3', ' Ib'),
];
