import type { InstructionRow } from '../instruction-types';
import { cold, ENDS, hex, hot, LEGACY } from './row';

/** Flag control, and what does nothing: NOP, hints, fences, and the opcodes reserved to be undefined. */
export const FLAGS_AND_HINTS_ROWS: readonly InstructionRow[] = [
  hot('F5', 'CMC', '', '-', 'cmc'),
  hot('F8', 'CLC', '', '-', 'clc'),
  hot('F9', 'STC', '', '-', 'stc'),
  hot('FC', 'CLD', '', '-', 'cld'),
  hot('FD', 'STD', '', '-', 'std'),
  hot('9E', 'SAHF', '', '-', 'sahf'),
  hot('9F', 'LAHF', '', '-', 'lahf'),
  hot('9C', 'PUSHF/PUSHFD/PUSHFQ', '', 'f64', 'pushf'),
  hot('D6', 'SALC', '', '-', 'salc', LEGACY),
  cold('9D', 'POPF/POPFD/POPFQ', '', 'f64', 'popf', ENDS),
  cold('FA', 'CLI', '', '-', 'cli', ENDS),
  cold('FB', 'STI', '', '-', 'sti', ENDS),

  // With REX.B, 90 without F3 is XCHG R8, RAX: there the decoder takes the opcode register's row.
  hot('90', 'NOP', '', '-', 'nop'),
  cold('F3 90', 'PAUSE', '', '-', 'pause'),
  hot('0F 0D /r', 'PREFETCHW', 'Ev', '-', 'nop'),
  ...[0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f].map((byte) => hot(`0F ${hex(byte)} /r`, 'NOP', 'Ev', '-', 'nop')),
  hot('NP 0F AE /5 reg', 'LFENCE', '', '-', 'nop'),
  hot('NP 0F AE /6 reg', 'MFENCE', '', '-', 'nop'),
  hot('NP 0F AE /7 reg', 'SFENCE', '', '-', 'nop'),

  hot('0F 0B', 'UD2', '', '-', 'ud2', ENDS),
  cold('0F B9 /r', 'UD1', 'Gv Ev', 'v', 'ud', ENDS),
  cold('0F FF /r', 'UD0', 'Gv Ev', 'v', 'ud', ENDS),
];
