import type { CpuFeature } from '../cpuid-features';
import type { InstructionRow } from '../instruction-types';
import { cold, warm } from './row';
import { sse, vex } from './vector-rows';

type Prefix = 'NP' | '66' | 'F3' | 'F2';

/** Legacy and both AVX lengths with the same operands. */
const alike = (
  prefix: Prefix,
  opcode: string,
  mnemonic: string,
  operands: string,
  key: string,
  feature: CpuFeature,
  vexOperands = operands,
): readonly InstructionRow[] => {
  const place = { prefix, map: '0F', opcode: `${opcode} /r` } as const;
  return [
    sse(place, mnemonic, operands, key, feature),
    vex('128', 'WIG', place, mnemonic, vexOperands, key, 'avx'),
    vex('256', 'WIG', place, mnemonic, vexOperands, key, 'avx'),
  ];
};

/** A move of both packed types: the one of doubles has the prefix 66. */
const bothTypes = (
  opcode: string,
  name: string,
  operands: string,
  key: string,
  vexOperands = operands,
): readonly InstructionRow[] => [
  ...alike('NP', opcode, `${name}PS`, operands, key.replace('$', 'ps'), 'sse', vexOperands),
  ...alike('66', opcode, `${name}PD`, operands, key.replace('$', 'pd'), 'sse2', vexOperands),
];

/** Legacy and VEX.128 or LIG. */
const short = (
  length: '128' | 'LIG',
  prefix: Prefix,
  opcode: string,
  mnemonic: string,
  operands: string,
  key: string,
  feature: CpuFeature,
  vexOperands = operands,
): readonly InstructionRow[] => {
  const place = { prefix, map: '0F', opcode: `${opcode} /r` } as const;
  return [sse(place, mnemonic, operands, key, feature), vex(length, 'WIG', place, mnemonic, vexOperands, key, 'avx')];
};

const sse41 = (
  map: '0F 38' | '0F 3A',
  opcode: string,
  mnemonic: string,
  operands: string,
  key = mnemonic.toLowerCase(),
): InstructionRow => sse({ prefix: '66', map, opcode: `${opcode} /r` }, mnemonic, operands, key, 'sse4.1');

const avx = (
  lengths: readonly ('128' | '256')[],
  map: '0F38' | '0F3A',
  w: 'W0' | 'WIG',
  opcode: string,
  mnemonic: string,
  operands: string,
  key: string,
  feature: CpuFeature = 'avx',
): readonly InstructionRow[] =>
  lengths.map((length) =>
    warm(`VEX.${length}.66.${map}.${w} ${opcode} /r`, mnemonic, operands, 'q', key, { unit: 'avx', feature }),
  );

const BOTH = ['128', '256'] as const;
const WIDE = ['256'] as const;

const masked = (opcode: string, mnemonic: string, operands: string, key: string): readonly InstructionRow[] =>
  BOTH.map((length) =>
    cold(`VEX.${length}.66.0F38.W0 ${opcode} /r`, mnemonic, operands, 'q', key, { unit: 'avx', feature: 'avx' }),
  );

/** Moves, shuffles, blends, broadcasts and tests of floating-point elements, SSE to AVX. */
export const FLOAT_MOVE_ROWS: readonly InstructionRow[] = [
  ...bothTypes('10', 'MOVU', 'Vx Wx', 'mov_unaligned'),
  ...bothTypes('11', 'MOVU', 'Wx Vx', 'mov_unaligned'),
  ...bothTypes('28', 'MOVA', 'Vx Wx', 'mov_aligned'),
  ...bothTypes('29', 'MOVA', 'Wx Vx', 'mov_aligned'),
  ...bothTypes('2B', 'MOVNT', 'Mx Vx', 'mov_aligned'),

  ...short('LIG', 'F3', '10', 'MOVSS', 'Vss Md', 'mov_low4', 'sse'),
  ...short('LIG', 'F2', '10', 'MOVSD', 'Vsd Mq', 'mov_low8', 'sse2'),
  ...short('LIG', 'F3', '11', 'MOVSS', 'Md Vss', 'store_low4', 'sse'),
  ...short('LIG', 'F2', '11', 'MOVSD', 'Mq Vsd', 'store_low8', 'sse2'),
  ...short('LIG', 'F3', '10', 'MOVSS', 'Vss Uss', 'merge_low4', 'sse', 'Vss Hss Uss'),
  ...short('LIG', 'F2', '10', 'MOVSD', 'Vsd Usd', 'merge_low8', 'sse2', 'Vsd Hsd Usd'),
  ...short('LIG', 'F3', '11', 'MOVSS', 'Uss Vss', 'merge_low4', 'sse', 'Uss Hss Vss'),
  ...short('LIG', 'F2', '11', 'MOVSD', 'Usd Vsd', 'merge_low8', 'sse2', 'Usd Hsd Vsd'),

  ...short('128', 'NP', '12', 'MOVLPS', 'Vq Mq', 'movlps', 'sse', 'Vq Hq Mq'),
  ...short('128', '66', '12', 'MOVLPD', 'Vq Mq', 'movlps', 'sse2', 'Vq Hq Mq'),
  ...short('128', 'NP', '13', 'MOVLPS', 'Mq Vq', 'store_low8', 'sse'),
  ...short('128', '66', '13', 'MOVLPD', 'Mq Vq', 'store_low8', 'sse2'),
  ...short('128', 'NP', '16', 'MOVHPS', 'Vq Mq', 'movhps', 'sse', 'Vq Hq Mq'),
  ...short('128', '66', '16', 'MOVHPD', 'Vq Mq', 'movhps', 'sse2', 'Vq Hq Mq'),
  ...short('128', 'NP', '17', 'MOVHPS', 'Mq Vdq', 'store_high8', 'sse'),
  ...short('128', '66', '17', 'MOVHPD', 'Mq Vdq', 'store_high8', 'sse2'),
  ...short('128', 'NP', '12', 'MOVHLPS', 'Vdq Udq', 'movhlps', 'sse', 'Vdq Hdq Udq'),
  ...short('128', 'NP', '16', 'MOVLHPS', 'Vdq Udq', 'movlhps', 'sse', 'Vdq Hdq Udq'),

  ...short('128', 'F2', '12', 'MOVDDUP', 'Vdq Wq', 'movddup', 'sse3'),
  ...WIDE.map((length) =>
    vex(length, 'WIG', { prefix: 'F2', map: '0F', opcode: '12 /r' }, 'MOVDDUP', 'Vqq Wqq', 'movddup', 'avx'),
  ),
  ...alike('F3', '12', 'MOVSLDUP', 'Vx Wx', 'movsldup', 'sse3'),
  ...alike('F3', '16', 'MOVSHDUP', 'Vx Wx', 'movshdup', 'sse3'),
  ...bothTypes('50', 'MOVMSK', 'Gd Ux', 'movmsk$'),

  ...bothTypes('14', 'UNPCKL', 'Vx Wx', 'unpckl$', 'Vx Hx Wx'),
  ...bothTypes('15', 'UNPCKH', 'Vx Wx', 'unpckh$', 'Vx Hx Wx'),
  ...bothTypes('C6', 'SHUF', 'Vx Wx Ib', 'shuf$', 'Vx Hx Wx Ib'),

  sse41('0F 3A', '0C', 'BLENDPS', 'Vx Wx Ib'),
  sse41('0F 3A', '0D', 'BLENDPD', 'Vx Wx Ib'),
  sse41('0F 38', '14', 'BLENDVPS', 'Vx Wx XMM0'),
  sse41('0F 38', '15', 'BLENDVPD', 'Vx Wx XMM0'),
  ...avx(BOTH, '0F3A', 'WIG', '0C', 'VBLENDPS', 'Vx Hx Wx Ib', 'blendps'),
  ...avx(BOTH, '0F3A', 'WIG', '0D', 'VBLENDPD', 'Vx Hx Wx Ib', 'blendpd'),
  ...avx(BOTH, '0F3A', 'W0', '4A', 'VBLENDVPS', 'Vx Hx Wx Lx', 'blendvps'),
  ...avx(BOTH, '0F3A', 'W0', '4B', 'VBLENDVPD', 'Vx Hx Wx Lx', 'blendvpd'),
  warm('66 0F 3A 17 /r', 'EXTRACTPS', 'Ed Vdq Ib', 'd', 'pextrd', { unit: 'sse', feature: 'sse4.1' }),
  warm('VEX.128.66.0F3A.WIG 17 /r', 'VEXTRACTPS', 'Ed Vdq Ib', 'd', 'pextrd', { unit: 'avx', feature: 'avx' }),
  sse41('0F 3A', '21', 'INSERTPS', 'Vdq Wd Ib'),
  ...avx(['128'], '0F3A', 'WIG', '21', 'VINSERTPS', 'Vdq Hdq Wd Ib', 'insertps'),

  ...avx(BOTH, '0F38', 'W0', '18', 'VBROADCASTSS', 'Vx Md', 'vbroadcastss'),
  ...avx(BOTH, '0F38', 'W0', '18', 'VBROADCASTSS', 'Vx Udq', 'vbroadcastss', 'avx2'),
  ...avx(WIDE, '0F38', 'W0', '19', 'VBROADCASTSD', 'Vqq Mq', 'vbroadcastsd'),
  ...avx(WIDE, '0F38', 'W0', '19', 'VBROADCASTSD', 'Vqq Udq', 'vbroadcastsd', 'avx2'),
  ...avx(WIDE, '0F38', 'W0', '1A', 'VBROADCASTF128', 'Vqq Mdq', 'vbroadcastf128'),
  ...avx(BOTH, '0F38', 'W0', '0C', 'VPERMILPS', 'Vx Hx Wx', 'vpermilps'),
  ...avx(BOTH, '0F38', 'W0', '0D', 'VPERMILPD', 'Vx Hx Wx', 'vpermilpd'),
  ...avx(BOTH, '0F3A', 'W0', '04', 'VPERMILPS', 'Vx Wx Ib', 'vpermilps_imm'),
  ...avx(BOTH, '0F3A', 'W0', '05', 'VPERMILPD', 'Vx Wx Ib', 'vpermilpd_imm'),
  ...avx(WIDE, '0F3A', 'W0', '06', 'VPERM2F128', 'Vqq Hqq Wqq Ib', 'vperm2f128'),
  ...avx(WIDE, '0F3A', 'W0', '18', 'VINSERTF128', 'Vqq Hqq Wdq Ib', 'vinsertf128'),
  ...avx(WIDE, '0F3A', 'W0', '19', 'VEXTRACTF128', 'Wdq Vqq Ib', 'vextractf128'),
  ...avx(BOTH, '0F38', 'W0', '0E', 'VTESTPS', 'Vx Wx', 'vtestps'),
  ...avx(BOTH, '0F38', 'W0', '0F', 'VTESTPD', 'Vx Wx', 'vtestpd'),

  ...masked('2C', 'VMASKMOVPS', 'Vx Hx Mx', 'vmaskload4'),
  ...masked('2D', 'VMASKMOVPD', 'Vx Hx Mx', 'vmaskload8'),
  ...masked('2E', 'VMASKMOVPS', 'Mx Hx Vx', 'vmaskstore4'),
  ...masked('2F', 'VMASKMOVPD', 'Mx Hx Vx', 'vmaskstore8'),

  warm('VEX.128.NP.0F.WIG 77', 'VZEROUPPER', '', '-', 'vzeroupper', { unit: 'avx', feature: 'avx' }),
  warm('VEX.256.NP.0F.WIG 77', 'VZEROALL', '', '-', 'vzeroall', { unit: 'avx', feature: 'avx' }),
];
