import type { InstructionRow } from '../instruction-types';
import { warm } from './row';

const MMX = { unit: 'mmx', feature: 'mmx' } as const;
const SSE2 = { unit: 'sse', feature: 'sse2' } as const;
const SSE3 = { unit: 'sse', feature: 'sse3' } as const;
const SSE41 = { unit: 'sse', feature: 'sse4.1' } as const;
const AVX = { unit: 'avx', feature: 'avx' } as const;
const AVX2 = { unit: 'avx', feature: 'avx2' } as const;
/** MMX instructions that came with SSE. */
const MMX_SSE = { unit: 'mmx', feature: 'sse' } as const;
const AVX_LONG = { ...AVX, mode: 'long' } as const;

/** A whole-vector move in its SSE form and both AVX lengths. */
const whole = (
  prefix: 'NP' | '66' | 'F3' | 'F2',
  opcode: string,
  mnemonic: string,
  operands: string,
  key: string,
): readonly InstructionRow[] => [
  warm(`${prefix} 0F ${opcode} /r`, mnemonic, operands, 'q', key, SSE2),
  ...(['128', '256'] as const).map((length) =>
    warm(`VEX.${length}.${prefix}.0F.WIG ${opcode} /r`, `V${mnemonic}`, operands, 'q', key, AVX),
  ),
];

/** MOVD and MOVQ between a general register or memory and a vector: VEX.W and REX.W choose. */
const general = (opcode: string, operands: string, key: string): readonly InstructionRow[] => [
  warm(`66 0F ${opcode} /r`, 'MOVD/MOVQ', operands, 'y', key, SSE2),
  warm(`VEX.128.66.0F.W0 ${opcode} /r`, 'VMOVD', operands, 'y', key, AVX),
  warm(`VEX.128.66.0F.W1 ${opcode} /r`, 'VMOVQ', operands, 'y', key, AVX_LONG),
];

const insertExtract = (
  opcode: string,
  mnemonic: string,
  operands: string,
  vexOperands: string,
): readonly InstructionRow[] => [
  warm(`66 0F 3A ${opcode} /r`, mnemonic, operands, 'd', mnemonic.toLowerCase(), SSE41),
  warm(`VEX.128.66.0F3A.WIG ${opcode} /r`, `V${mnemonic}`, vexOperands, 'd', mnemonic.toLowerCase(), AVX),
];

/** Integer moves of MMX, SSE and AVX. */
export const VECTOR_MOVE_ROWS: readonly InstructionRow[] = [
  ...general('6E', 'Vdq Ey', 'mov_from_general'),
  ...general('7E', 'Ey Vdq', 'mov_to_general'),
  warm('NP 0F 6E /r', 'MOVD/MOVQ', 'Pq Ey', 'y', 'mov_from_general', MMX),
  warm('NP 0F 7E /r', 'MOVD/MOVQ', 'Ey Pq', 'y', 'mov_to_general', MMX),
  warm('NP 0F 6F /r', 'MOVQ', 'Pq Qq', 'q', 'mov_unaligned', MMX),
  warm('NP 0F 7F /r', 'MOVQ', 'Qq Pq', 'q', 'mov_unaligned', MMX),
  warm('F3 0F 7E /r', 'MOVQ', 'Vdq Wq', 'q', 'mov_low8', SSE2),
  warm('VEX.128.F3.0F.WIG 7E /r', 'VMOVQ', 'Vdq Wq', 'q', 'mov_low8', AVX),
  warm('66 0F D6 /r', 'MOVQ', 'Wq Vdq', 'q', 'mov_store_low8', SSE2),
  warm('VEX.128.66.0F.WIG D6 /r', 'VMOVQ', 'Wq Vdq', 'q', 'mov_store_low8', AVX),
  warm('F3 0F D6 /r', 'MOVQ2DQ', 'Vdq Nq', 'q', 'movq2dq', SSE2),
  warm('F2 0F D6 /r', 'MOVDQ2Q', 'Pq Udq', 'q', 'movdq2q', SSE2),

  ...whole('66', '6F', 'MOVDQA', 'Vx Wx', 'mov_aligned'),
  ...whole('66', '7F', 'MOVDQA', 'Wx Vx', 'mov_aligned'),
  ...whole('F3', '6F', 'MOVDQU', 'Vx Wx', 'mov_unaligned'),
  ...whole('F3', '7F', 'MOVDQU', 'Wx Vx', 'mov_unaligned'),
  ...whole('66', 'E7', 'MOVNTDQ', 'Mx Vx', 'mov_aligned'),
  warm('F2 0F F0 /r', 'LDDQU', 'Vx Mx', 'q', 'mov_unaligned', SSE3),
  warm('VEX.128.F2.0F.WIG F0 /r', 'VLDDQU', 'Vx Mx', 'q', 'mov_unaligned', AVX),
  warm('VEX.256.F2.0F.WIG F0 /r', 'VLDDQU', 'Vx Mx', 'q', 'mov_unaligned', AVX),
  warm('66 0F 38 2A /r', 'MOVNTDQA', 'Vx Mx', 'q', 'mov_aligned', SSE41),
  warm('VEX.128.66.0F38.WIG 2A /r', 'VMOVNTDQA', 'Vx Mx', 'q', 'mov_aligned', AVX),
  warm('VEX.256.66.0F38.WIG 2A /r', 'VMOVNTDQA', 'Vx Mx', 'q', 'mov_aligned', AVX2),
  warm('NP 0F E7 /r', 'MOVNTQ', 'Mq Pq', 'q', 'mov_unaligned', MMX_SSE),

  warm('NP 0F D7 /r', 'PMOVMSKB', 'Gd Nq', 'd', 'pmovmskb', MMX_SSE),
  warm('66 0F D7 /r', 'PMOVMSKB', 'Gd Ux', 'd', 'pmovmskb', SSE2),
  warm('VEX.128.66.0F.WIG D7 /r', 'VPMOVMSKB', 'Gd Ux', 'd', 'pmovmskb', AVX),
  warm('VEX.256.66.0F.WIG D7 /r', 'VPMOVMSKB', 'Gd Ux', 'd', 'pmovmskb', AVX2),

  warm('NP 0F C4 /r', 'PINSRW', 'Pq Rd/Mw Ib', 'd', 'pinsrw', MMX_SSE),
  warm('66 0F C4 /r', 'PINSRW', 'Vdq Rd/Mw Ib', 'd', 'pinsrw', SSE2),
  warm('VEX.128.66.0F.WIG C4 /r', 'VPINSRW', 'Vdq Hdq Rd/Mw Ib', 'd', 'pinsrw', AVX),
  warm('NP 0F C5 /r', 'PEXTRW', 'Gd Nq Ib', 'd', 'pextrw', MMX_SSE),
  warm('66 0F C5 /r', 'PEXTRW', 'Gd Udq Ib', 'd', 'pextrw', SSE2),
  warm('VEX.128.66.0F.WIG C5 /r', 'VPEXTRW', 'Gd Udq Ib', 'd', 'pextrw', AVX),
  ...insertExtract('14', 'PEXTRB', 'Rd/Mb Vdq Ib', 'Rd/Mb Vdq Ib'),
  ...insertExtract('15', 'PEXTRW', 'Rd/Mw Vdq Ib', 'Rd/Mw Vdq Ib'),
  ...insertExtract('20', 'PINSRB', 'Vdq Rd/Mb Ib', 'Vdq Hdq Rd/Mb Ib'),
  warm('66 0F 3A 16 /r', 'PEXTRD', 'Ed Vdq Ib', 'd', 'pextrd', SSE41),
  warm('66 REX.W 0F 3A 16 /r', 'PEXTRQ', 'Eq Vdq Ib', 'q', 'pextrq', SSE41),
  warm('VEX.128.66.0F3A.W0 16 /r', 'VPEXTRD', 'Ey Vdq Ib', 'y', 'pextrd', AVX),
  warm('VEX.128.66.0F3A.W1 16 /r', 'VPEXTRQ', 'Ey Vdq Ib', 'y', 'pextrq', AVX_LONG),
  warm('66 0F 3A 22 /r', 'PINSRD', 'Vdq Ed Ib', 'd', 'pinsrd', SSE41),
  warm('66 REX.W 0F 3A 22 /r', 'PINSRQ', 'Vdq Eq Ib', 'q', 'pinsrq', SSE41),
  warm('VEX.128.66.0F3A.W0 22 /r', 'VPINSRD', 'Vdq Hdq Ey Ib', 'y', 'pinsrd', AVX),
  warm('VEX.128.66.0F3A.W1 22 /r', 'VPINSRQ', 'Vdq Hdq Ey Ib', 'y', 'pinsrq', AVX_LONG),
];
