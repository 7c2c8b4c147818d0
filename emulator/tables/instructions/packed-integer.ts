import type { InstructionRow } from '../instruction-types';
import { packedIntegerMmx } from './vector-rows';

const mmx = (opcode: string, mnemonic: string): readonly InstructionRow[] =>
  packedIntegerMmx({ map: '0F', opcode: `${opcode} /r` }, mnemonic, mnemonic.toLowerCase());

/** Packed integer arithmetic, comparison and logic. */
export const PACKED_INTEGER_ROWS: readonly InstructionRow[] = [
  ...mmx('FC', 'PADDB'),
  ...mmx('FD', 'PADDW'),
  ...mmx('FE', 'PADDD'),
  ...packedIntegerMmx({ map: '0F', opcode: 'D4 /r' }, 'PADDQ', 'paddq', 'sse2'),
  ...mmx('EC', 'PADDSB'),
  ...mmx('ED', 'PADDSW'),
  ...mmx('DC', 'PADDUSB'),
  ...mmx('DD', 'PADDUSW'),
  ...mmx('F8', 'PSUBB'),
  ...mmx('F9', 'PSUBW'),
  ...mmx('FA', 'PSUBD'),
  ...packedIntegerMmx({ map: '0F', opcode: 'FB /r' }, 'PSUBQ', 'psubq', 'sse2'),
  ...mmx('E8', 'PSUBSB'),
  ...mmx('E9', 'PSUBSW'),
  ...mmx('D8', 'PSUBUSB'),
  ...mmx('D9', 'PSUBUSW'),
  ...mmx('DB', 'PAND'),
  ...mmx('DF', 'PANDN'),
  ...mmx('EB', 'POR'),
  ...mmx('EF', 'PXOR'),
  ...mmx('74', 'PCMPEQB'),
  ...mmx('75', 'PCMPEQW'),
  ...mmx('76', 'PCMPEQD'),
  ...mmx('64', 'PCMPGTB'),
  ...mmx('65', 'PCMPGTW'),
  ...mmx('66', 'PCMPGTD'),
];
