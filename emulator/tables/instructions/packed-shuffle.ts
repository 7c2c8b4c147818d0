import type { CpuFeature } from '../cpuid-features';
import type { InstructionRow } from '../instruction-types';
import { warm } from './row';
import { packedInteger, packedIntegerMmx } from './vector-rows';

const AVX2 = { unit: 'avx', feature: 'avx2' } as const;

const mmx = (opcode: string, mnemonic: string, feature: CpuFeature = 'mmx'): readonly InstructionRow[] =>
  packedIntegerMmx({ map: '0F', opcode: `${opcode} /r` }, mnemonic, mnemonic.toLowerCase(), feature);
const sse2 = (opcode: string, mnemonic: string): readonly InstructionRow[] =>
  packedInteger({ map: '0F', opcode: `${opcode} /r` }, mnemonic, mnemonic.toLowerCase());
const ssse3 = (opcode: string, mnemonic: string): readonly InstructionRow[] =>
  packedIntegerMmx({ map: '0F 38', opcode: `${opcode} /r` }, mnemonic, mnemonic.toLowerCase(), 'ssse3', 'ssse3');
const sse4 = (opcode: string, mnemonic: string, feature: CpuFeature = 'sse4.1'): readonly InstructionRow[] =>
  packedInteger({ map: '0F 38', opcode: `${opcode} /r` }, mnemonic, mnemonic.toLowerCase(), feature);

/** One source, no VEX.vvvv. */
const unary = (
  prefix: '66' | 'F3' | 'F2',
  map: '0F' | '0F 38',
  opcode: string,
  mnemonic: string,
  operands: string,
  wideOperands: string,
  feature: CpuFeature,
): readonly InstructionRow[] => {
  const key = mnemonic.toLowerCase();
  const vexMap = map.replace(' ', '');
  return [
    warm(`${prefix} ${map} ${opcode} /r`, mnemonic, operands, 'q', key, { unit: 'sse', feature }),
    warm(`VEX.128.${prefix}.${vexMap}.WIG ${opcode} /r`, `V${mnemonic}`, operands, 'q', key, {
      unit: 'avx',
      feature: 'avx',
    }),
    warm(`VEX.256.${prefix}.${vexMap}.WIG ${opcode} /r`, `V${mnemonic}`, wideOperands, 'q', key, AVX2),
  ];
};

const shuffleRows = (prefix: '66' | 'F3' | 'F2', mnemonic: string): readonly InstructionRow[] =>
  unary(prefix, '0F', '70', mnemonic, 'Vx Wx Ib', 'Vx Wx Ib', 'sse2');

const absolute = (opcode: string, mnemonic: string): readonly InstructionRow[] => [
  warm(`NP 0F 38 ${opcode} /r`, mnemonic, 'Pq Qq', 'q', mnemonic.toLowerCase(), { unit: 'mmx', feature: 'ssse3' }),
  ...unary('66', '0F 38', opcode, mnemonic, 'Vx Wx', 'Vx Wx', 'ssse3'),
];

/** Widenings read half, a quarter or an eighth of the vector. */
const widening = (low: string, letter: 'S' | 'Z'): readonly InstructionRow[] => {
  const row = (digit: string, kind: string, narrow: string, wide: string): readonly InstructionRow[] =>
    unary('66', '0F 38', `${low}${digit}`, `PMOV${letter}X${kind}`, `Vx W${narrow}`, `Vx W${wide}`, 'sse4.1');
  return [
    ...row('0', 'BW', 'q', 'dq'),
    ...row('1', 'BD', 'd', 'q'),
    ...row('2', 'BQ', 'w', 'd'),
    ...row('3', 'WD', 'q', 'dq'),
    ...row('4', 'WQ', 'd', 'q'),
    ...row('5', 'DQ', 'q', 'dq'),
  ];
};

const broadcast = (opcode: string, mnemonic: string, type: string): readonly InstructionRow[] =>
  (['128', '256'] as const).map((length) =>
    warm(`VEX.${length}.66.0F38.W0 ${opcode} /r`, mnemonic, `Vx W${type}`, 'q', mnemonic.toLowerCase(), AVX2),
  );

/** Products, extremes, comparisons, shuffles and conversions of packed integers. */
export const PACKED_SHUFFLE_ROWS: readonly InstructionRow[] = [
  ...mmx('D5', 'PMULLW'),
  ...mmx('E5', 'PMULHW'),
  ...mmx('E4', 'PMULHUW', 'sse'),
  ...mmx('F5', 'PMADDWD'),
  ...mmx('F4', 'PMULUDQ', 'sse2'),
  ...mmx('F6', 'PSADBW', 'sse'),
  ...mmx('E0', 'PAVGB', 'sse'),
  ...mmx('E3', 'PAVGW', 'sse'),
  ...mmx('DA', 'PMINUB', 'sse'),
  ...mmx('DE', 'PMAXUB', 'sse'),
  ...mmx('EA', 'PMINSW', 'sse'),
  ...mmx('EE', 'PMAXSW', 'sse'),
  ...ssse3('0B', 'PMULHRSW'),
  ...ssse3('04', 'PMADDUBSW'),
  ...ssse3('08', 'PSIGNB'),
  ...ssse3('09', 'PSIGNW'),
  ...ssse3('0A', 'PSIGND'),
  ...ssse3('01', 'PHADDW'),
  ...ssse3('02', 'PHADDD'),
  ...ssse3('03', 'PHADDSW'),
  ...ssse3('05', 'PHSUBW'),
  ...ssse3('06', 'PHSUBD'),
  ...ssse3('07', 'PHSUBSW'),
  ...ssse3('00', 'PSHUFB'),
  ...absolute('1C', 'PABSB'),
  ...absolute('1D', 'PABSW'),
  ...absolute('1E', 'PABSD'),
  ...sse4('28', 'PMULDQ'),
  ...sse4('40', 'PMULLD'),
  ...sse4('38', 'PMINSB'),
  ...sse4('39', 'PMINSD'),
  ...sse4('3A', 'PMINUW'),
  ...sse4('3B', 'PMINUD'),
  ...sse4('3C', 'PMAXSB'),
  ...sse4('3D', 'PMAXSD'),
  ...sse4('3E', 'PMAXUW'),
  ...sse4('3F', 'PMAXUD'),
  ...sse4('29', 'PCMPEQQ'),
  ...sse4('37', 'PCMPGTQ', 'sse4.2'),
  ...sse4('2B', 'PACKUSDW'),

  ...mmx('63', 'PACKSSWB'),
  ...mmx('67', 'PACKUSWB'),
  ...mmx('6B', 'PACKSSDW'),
  ...mmx('60', 'PUNPCKLBW'),
  ...mmx('61', 'PUNPCKLWD'),
  ...mmx('62', 'PUNPCKLDQ'),
  ...mmx('68', 'PUNPCKHBW'),
  ...mmx('69', 'PUNPCKHWD'),
  ...mmx('6A', 'PUNPCKHDQ'),
  ...sse2('6C', 'PUNPCKLQDQ'),
  ...sse2('6D', 'PUNPCKHQDQ'),
  warm('NP 0F 70 /r', 'PSHUFW', 'Pq Qq Ib', 'q', 'pshuflw', { unit: 'mmx', feature: 'sse' }),
  ...shuffleRows('66', 'PSHUFD'),
  ...shuffleRows('F2', 'PSHUFLW'),
  ...shuffleRows('F3', 'PSHUFHW'),
  ...widening('2', 'S'),
  ...widening('3', 'Z'),
  ...packedInteger({ map: '0F 3A', opcode: '0E /r' }, 'PBLENDW', 'pblendw', 'sse4.1', ' Ib'),
  warm('66 0F 38 10 /r', 'PBLENDVB', 'Vx Wx XMM0', 'q', 'pblendvb', { unit: 'sse', feature: 'sse4.1' }),
  warm('VEX.128.66.0F3A.W0 4C /r', 'VPBLENDVB', 'Vx Hx Wx Lx', 'q', 'pblendvb', { unit: 'avx', feature: 'avx' }),
  warm('VEX.256.66.0F3A.W0 4C /r', 'VPBLENDVB', 'Vx Hx Wx Lx', 'q', 'pblendvb', AVX2),
  warm('VEX.128.66.0F3A.W0 02 /r', 'VPBLENDD', 'Vx Hx Wx Ib', 'q', 'vpblendd', AVX2),
  warm('VEX.256.66.0F3A.W0 02 /r', 'VPBLENDD', 'Vx Hx Wx Ib', 'q', 'vpblendd', AVX2),
  ...broadcast('78', 'VPBROADCASTB', 'b'),
  ...broadcast('79', 'VPBROADCASTW', 'w'),
  ...broadcast('58', 'VPBROADCASTD', 'd'),
  ...broadcast('59', 'VPBROADCASTQ', 'q'),
  warm('VEX.256.66.0F38.W0 36 /r', 'VPERMD', 'Vx Hx Wx', 'q', 'vpermd', AVX2),
  warm('VEX.256.66.0F38.W0 16 /r', 'VPERMPS', 'Vx Hx Wx', 'q', 'vpermd', AVX2),
  warm('VEX.256.66.0F3A.W1 00 /r', 'VPERMQ', 'Vx Wx Ib', 'q', 'vpermq', AVX2),
  warm('VEX.256.66.0F3A.W1 01 /r', 'VPERMPD', 'Vx Wx Ib', 'q', 'vpermq', AVX2),
];
