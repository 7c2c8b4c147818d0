import type { InstructionRow } from '../instruction-types';
import { cold, CONDITIONS, ENDS, hex, hot, LEGACY_ENDS } from './row';

/** Control transfer instructions. */
export const CONTROL_TRANSFER_ROWS: readonly InstructionRow[] = [
  ...CONDITIONS.map((condition, cc) => hot(hex(0x70 + cc), `J${condition}`, 'Jb', 'd64', 'jcc', ENDS)),
  ...CONDITIONS.map((condition, cc) => hot(`0F ${hex(0x80 + cc)}`, `J${condition}`, 'Jz', 'd64', 'jcc', ENDS)),
  hot('E0', 'LOOPNE', 'Jb', 'd64', 'loopne', ENDS),
  hot('E1', 'LOOPE', 'Jb', 'd64', 'loope', ENDS),
  hot('E2', 'LOOP', 'Jb', 'd64', 'loop', ENDS),
  hot('E3', 'JCXZ/JECXZ/JRCXZ', 'Jb', 'd64', 'jcxz', ENDS),
  hot('EB', 'JMP', 'Jb', 'd64', 'jmp', ENDS),
  hot('E9', 'JMP', 'Jz', 'd64', 'jmp', ENDS),
  hot('FF /4', 'JMP', 'Ev', 'd64', 'jmp_indirect', ENDS),
  hot('E8', 'CALL', 'Jz', 'd64', 'call', ENDS),
  hot('FF /2', 'CALL', 'Ev', 'd64', 'call_indirect', ENDS),
  hot('C3', 'RET', '', 'd64', 'ret', ENDS),
  hot('C2', 'RET', 'uIw', 'd64', 'ret_imm', ENDS),
  hot('C8', 'ENTER', 'uIw level', 'f64', 'enter'),
  hot('C9', 'LEAVE', '', 'f64', 'leave'),

  cold('EA', 'JMP', 'Ap', 'v', 'jmp_far', LEGACY_ENDS),
  cold('9A', 'CALL', 'Ap', 'v', 'call_far', LEGACY_ENDS),
  cold('FF /5 mem', 'JMP', 'Mp', 'v', 'jmp_far_indirect', ENDS),
  cold('FF /3 mem', 'CALL', 'Mp', 'v', 'call_far_indirect', ENDS),
  cold('CB', 'RETF', '', 'v', 'retf', ENDS),
  cold('CA', 'RETF', 'uIw', 'v', 'retf_imm', ENDS),
  cold('CF', 'IRET/IRETD/IRETQ', '', 'v', 'iret', ENDS),
  cold('CC', 'INT3', '', '-', 'int3', ENDS),
  cold('CD', 'INT', 'uIb', '-', 'int', ENDS),
  cold('CE', 'INTO', '', '-', 'into', LEGACY_ENDS),
  cold('F1', 'INT1', '', '-', 'int1', ENDS),
  cold('62 /r mem', 'BOUND', 'Gv Ma', 'v', 'bound', LEGACY_ENDS),
];
