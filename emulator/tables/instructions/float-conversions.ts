import type { CpuFeature } from '../cpuid-features';
import type { InstructionRow } from '../instruction-types';
import { cold, warm } from './row';
import { sse, vex } from './vector-rows';

type Prefix = 'NP' | '66' | 'F3' | 'F2';

/** A packed conversion: SSE2 and both AVX lengths; `wide` are the operands of the 256-bit form. */
const packed = (
  prefix: Prefix,
  opcode: string,
  mnemonic: string,
  operands: string,
  wide: string,
): readonly InstructionRow[] => {
  const place = { prefix, map: '0F', opcode: `${opcode} /r` } as const;
  const key = mnemonic.toLowerCase();
  return [
    sse(place, mnemonic, operands, key, 'sse2'),
    vex('128', 'WIG', place, mnemonic, operands, key, 'avx'),
    vex('256', 'WIG', place, mnemonic, wide, key, 'avx'),
  ];
};

/** Conversions between a general register and a scalar: REX.W and VEX.W give the integer's size. */
const general = (
  prefix: 'F3' | 'F2',
  opcode: string,
  mnemonic: string,
  operands: string,
  vexOperands: string,
): readonly InstructionRow[] => {
  const feature: CpuFeature = prefix === 'F3' ? 'sse' : 'sse2';
  const key = mnemonic.toLowerCase();
  return [
    warm(`${prefix} 0F ${opcode} /r`, mnemonic, operands, 'y', key, { unit: 'sse', feature }),
    warm(`VEX.LIG.${prefix}.0F.W0 ${opcode} /r`, `V${mnemonic}`, vexOperands, 'y', key, {
      unit: 'avx',
      feature: 'avx',
    }),
    warm(`VEX.LIG.${prefix}.0F.W1 ${opcode} /r`, `V${mnemonic}`, vexOperands, 'y', key, {
      unit: 'avx',
      feature: 'avx',
      mode: 'long',
    }),
  ];
};

const scalar = (
  prefix: 'F3' | 'F2',
  mnemonic: string,
  operands: string,
  vexOperands: string,
): readonly InstructionRow[] => {
  const place = { prefix, map: '0F', opcode: '5A /r' } as const;
  const key = mnemonic.toLowerCase();
  return [sse(place, mnemonic, operands, key, 'sse2'), vex('LIG', 'WIG', place, mnemonic, vexOperands, key, 'avx')];
};

/** Conversions from and to MMX registers; rare. */
const mmx = (prefix: 'NP' | '66', opcode: string, mnemonic: string, operands: string): InstructionRow =>
  cold(`${prefix} 0F ${opcode} /r`, mnemonic, operands, 'q', mnemonic.toLowerCase(), {
    unit: 'sse',
    feature: prefix === 'NP' ? 'sse' : 'sse2',
  });

const half = (length: '128' | '256', opcode: string, mnemonic: string, operands: string): InstructionRow =>
  cold(`VEX.${length}.66.${opcode} /r`, mnemonic, operands, 'q', mnemonic.toLowerCase(), {
    unit: 'avx',
    feature: 'f16c',
  });

/** Conversions between floating-point formats and integers, SSE to AVX and F16C. */
export const FLOAT_CONVERSION_ROWS: readonly InstructionRow[] = [
  ...packed('NP', '5B', 'CVTDQ2PS', 'Vx Wx', 'Vx Wx'),
  ...packed('66', '5B', 'CVTPS2DQ', 'Vx Wx', 'Vx Wx'),
  ...packed('F3', '5B', 'CVTTPS2DQ', 'Vx Wx', 'Vx Wx'),
  ...packed('66', 'E6', 'CVTTPD2DQ', 'Vdq Wdq', 'Vdq Wqq'),
  ...packed('F3', 'E6', 'CVTDQ2PD', 'Vdq Wq', 'Vqq Wdq'),
  ...packed('F2', 'E6', 'CVTPD2DQ', 'Vdq Wdq', 'Vdq Wqq'),
  ...packed('NP', '5A', 'CVTPS2PD', 'Vdq Wq', 'Vqq Wdq'),
  ...packed('66', '5A', 'CVTPD2PS', 'Vdq Wdq', 'Vdq Wqq'),
  ...scalar('F3', 'CVTSS2SD', 'Vsd Wss', 'Vsd Hsd Wss'),
  ...scalar('F2', 'CVTSD2SS', 'Vss Wsd', 'Vss Hss Wsd'),
  ...general('F3', '2A', 'CVTSI2SS', 'Vss Ey', 'Vss Hss Ey'),
  ...general('F2', '2A', 'CVTSI2SD', 'Vsd Ey', 'Vsd Hsd Ey'),
  ...general('F3', '2C', 'CVTTSS2SI', 'Gy Wss', 'Gy Wss'),
  ...general('F2', '2C', 'CVTTSD2SI', 'Gy Wsd', 'Gy Wsd'),
  ...general('F3', '2D', 'CVTSS2SI', 'Gy Wss', 'Gy Wss'),
  ...general('F2', '2D', 'CVTSD2SI', 'Gy Wsd', 'Gy Wsd'),
  mmx('NP', '2A', 'CVTPI2PS', 'Vps Qpi'),
  mmx('66', '2A', 'CVTPI2PD', 'Vpd Qpi'),
  mmx('NP', '2C', 'CVTTPS2PI', 'Ppi Wq'),
  mmx('66', '2C', 'CVTTPD2PI', 'Ppi Wpd'),
  mmx('NP', '2D', 'CVTPS2PI', 'Ppi Wq'),
  mmx('66', '2D', 'CVTPD2PI', 'Ppi Wpd'),
  half('128', '0F38.W0 13', 'VCVTPH2PS', 'Vx Wq'),
  half('256', '0F38.W0 13', 'VCVTPH2PS', 'Vx Wdq'),
  half('128', '0F3A.W0 1D', 'VCVTPS2PH', 'Wq Vx Ib'),
  half('256', '0F3A.W0 1D', 'VCVTPS2PH', 'Wdq Vx Ib'),
];
