import type { InstructionRow } from '../instruction-types';
import { cold, warm } from './row';
import { packedInteger } from './vector-rows';

const SSE2 = { unit: 'sse', feature: 'sse2' } as const;
const SSE41 = { unit: 'sse', feature: 'sse4.1' } as const;
const SSE42 = { unit: 'sse', feature: 'sse4.2' } as const;
const AVX = { unit: 'avx', feature: 'avx' } as const;
const AVX2 = { unit: 'avx', feature: 'avx2' } as const;
const LENGTHS = ['128', '256'] as const;

/** REX.W and VEX.W choose the width of explicit lengths. */
const strings = (opcode: string, mnemonic: string): readonly InstructionRow[] => [
  warm(`66 0F 3A ${opcode} /r`, mnemonic, 'Vdq Wdq Ib', 'y', mnemonic.toLowerCase(), SSE42),
  warm(`VEX.128.66.0F3A.WIG ${opcode} /r`, `V${mnemonic}`, 'Vdq Wdq Ib', 'y', mnemonic.toLowerCase(), AVX),
];

const masked = (
  opcode: string,
  w: 'W0' | 'W1',
  mnemonic: string,
  operands: string,
  key: string,
): readonly InstructionRow[] =>
  LENGTHS.map((length) => cold(`VEX.${length}.66.0F38.${w} ${opcode} /r`, mnemonic, operands, 'q', key, AVX2));

/** `index` and `element` are letters of the mnemonic; vectors of indices are as long as the longer of both makes them. */
const gather = (
  opcode: string,
  w: 'W0' | 'W1',
  mnemonic: string,
  index: 32 | 64,
  key: string,
): readonly InstructionRow[] =>
  LENGTHS.map((length) =>
    cold(
      `VEX.${length}.66.0F38.${w} ${opcode} /r`,
      mnemonic,
      `Vx vm${index}${length === '128' ? 'x' : 'y'} Hx`,
      'q',
      key,
      AVX2,
    ),
  );

/** Searches, tests, masked accesses and gathers. */
export const PACKED_SEARCH_ROWS: readonly InstructionRow[] = [
  warm('66 0F 38 17 /r', 'PTEST', 'Vx Wx', 'q', 'ptest', SSE41),
  ...LENGTHS.map((length) => warm(`VEX.${length}.66.0F38.WIG 17 /r`, 'VPTEST', 'Vx Wx', 'q', 'ptest', AVX)),
  ...strings('60', 'PCMPESTRM'),
  ...strings('61', 'PCMPESTRI'),
  ...strings('62', 'PCMPISTRM'),
  ...strings('63', 'PCMPISTRI'),
  warm('66 0F 38 41 /r', 'PHMINPOSUW', 'Vdq Wdq', 'q', 'phminposuw', SSE41),
  warm('VEX.128.66.0F38.WIG 41 /r', 'VPHMINPOSUW', 'Vdq Wdq', 'q', 'phminposuw', AVX),
  ...packedInteger({ map: '0F 3A', opcode: '42 /r' }, 'MPSADBW', 'mpsadbw', 'sse4.1', ' Ib'),
  cold('NP 0F F7 /r', 'MASKMOVQ', 'Pq Nq', 'q', 'maskmovq', { unit: 'mmx', feature: 'sse' }),
  cold('66 0F F7 /r', 'MASKMOVDQU', 'Vdq Udq', 'q', 'maskmovdqu', SSE2),
  cold('VEX.128.66.0F.WIG F7 /r', 'VMASKMOVDQU', 'Vdq Udq', 'q', 'maskmovdqu', AVX),
  ...masked('8C', 'W0', 'VPMASKMOVD', 'Vx Hx Mx', 'vmaskload4'),
  ...masked('8C', 'W1', 'VPMASKMOVQ', 'Vx Hx Mx', 'vmaskload8'),
  ...masked('8E', 'W0', 'VPMASKMOVD', 'Mx Hx Vx', 'vmaskstore4'),
  ...masked('8E', 'W1', 'VPMASKMOVQ', 'Mx Hx Vx', 'vmaskstore8'),
  ...gather('90', 'W0', 'VPGATHERDD', 32, 'vgather44'),
  ...gather('90', 'W1', 'VPGATHERDQ', 32, 'vgather84'),
  ...gather('91', 'W0', 'VPGATHERQD', 64, 'vgather48'),
  ...gather('91', 'W1', 'VPGATHERQQ', 64, 'vgather88'),
  ...gather('92', 'W0', 'VGATHERDPS', 32, 'vgather44'),
  ...gather('92', 'W1', 'VGATHERDPD', 32, 'vgather84'),
  ...gather('93', 'W0', 'VGATHERQPS', 64, 'vgather48'),
  ...gather('93', 'W1', 'VGATHERQPD', 64, 'vgather88'),
  warm('VEX.256.66.0F38.W0 5A /r', 'VBROADCASTI128', 'Vqq Mdq', 'q', 'vbroadcastf128', AVX2),
  warm('VEX.256.66.0F3A.W0 46 /r', 'VPERM2I128', 'Vqq Hqq Wqq Ib', 'q', 'vperm2f128', AVX2),
  warm('VEX.256.66.0F3A.W0 38 /r', 'VINSERTI128', 'Vqq Hqq Wdq Ib', 'q', 'vinsertf128', AVX2),
  warm('VEX.256.66.0F3A.W0 39 /r', 'VEXTRACTI128', 'Wdq Vqq Ib', 'q', 'vextractf128', AVX2),
];
