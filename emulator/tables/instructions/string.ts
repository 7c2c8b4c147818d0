import type { InstructionRow } from '../instruction-types';
import { cold, ENDS, hot } from './row';

/** String and port instructions. */
export const STRING_AND_PORT_ROWS: readonly InstructionRow[] = [
  hot('A4', 'MOVSB', '', 'b', 'movs'),
  hot('A5', 'MOVSW/MOVSD/MOVSQ', '', 'v', 'movs'),
  hot('A6', 'CMPSB', '', 'b', 'cmps'),
  hot('A7', 'CMPSW/CMPSD/CMPSQ', '', 'v', 'cmps'),
  hot('AA', 'STOSB', '', 'b', 'stos'),
  hot('AB', 'STOSW/STOSD/STOSQ', '', 'v', 'stos'),
  hot('AC', 'LODSB', '', 'b', 'lods'),
  hot('AD', 'LODSW/LODSD/LODSQ', '', 'v', 'lods'),
  hot('AE', 'SCASB', '', 'b', 'scas'),
  hot('AF', 'SCASW/SCASD/SCASQ', '', 'v', 'scas'),

  cold('6C', 'INSB', '', 'b', 'ins', ENDS),
  cold('6D', 'INSW/INSD', '', 'z', 'ins', ENDS),
  cold('6E', 'OUTSB', '', 'b', 'outs', ENDS),
  cold('6F', 'OUTSW/OUTSD', '', 'z', 'outs', ENDS),
  cold('E4', 'IN', 'AL uIb', 'b', 'in_imm', ENDS),
  cold('E5', 'IN', 'eAX uIb', 'z', 'in_imm', ENDS),
  cold('E6', 'OUT', 'uIb AL', 'b', 'out_imm', ENDS),
  cold('E7', 'OUT', 'uIb eAX', 'z', 'out_imm', ENDS),
  cold('EC', 'IN', 'AL DX', 'b', 'in_dx', ENDS),
  cold('ED', 'IN', 'eAX DX', 'z', 'in_dx', ENDS),
  cold('EE', 'OUT', 'DX AL', 'b', 'out_dx', ENDS),
  cold('EF', 'OUT', 'DX eAX', 'z', 'out_dx', ENDS),
];
