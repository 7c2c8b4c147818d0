import type { InstructionRow } from '../instruction-types';
import { cold, hex, hot, LEGACY, LOCK } from './row';

/** The eight operations of opcodes 00 to 3D and group 1, in encoding order. */
const ARITHMETIC = ['ADD', 'OR', 'ADC', 'SBB', 'AND', 'SUB', 'XOR', 'CMP'] as const;

const arithmetic = (mnemonic: string, digit: number): readonly InstructionRow[] => {
  const key = mnemonic.toLowerCase();
  const first = digit * 8;
  const lock = { lock: mnemonic !== 'CMP' };
  return [
    hot(`${hex(first)} /r`, mnemonic, 'Eb Gb', 'b', key, lock),
    hot(`${hex(first + 1)} /r`, mnemonic, 'Ev Gv', 'v', key, lock),
    hot(`${hex(first + 2)} /r`, mnemonic, 'Gb Eb', 'b', key),
    hot(`${hex(first + 3)} /r`, mnemonic, 'Gv Ev', 'v', key),
    hot(hex(first + 4), mnemonic, 'AL Ib', 'b', key),
    hot(hex(first + 5), mnemonic, 'rAX Iz', 'v', key),
    hot(`80 /${digit}`, mnemonic, 'Eb Ib', 'b', key, lock),
    hot(`81 /${digit}`, mnemonic, 'Ev Iz', 'v', key, lock),
    hot(`82 /${digit}`, mnemonic, 'Eb Ib', 'b', key, { ...lock, ...LEGACY }),
    hot(`83 /${digit}`, mnemonic, 'Ev Ib', 'v', key, lock),
  ];
};

/** Binary and decimal arithmetic, and logical instructions. */
export const ARITHMETIC_ROWS: readonly InstructionRow[] = [
  ...ARITHMETIC.flatMap(arithmetic),

  hot('84 /r', 'TEST', 'Eb Gb', 'b', 'test'),
  hot('85 /r', 'TEST', 'Ev Gv', 'v', 'test'),
  hot('A8', 'TEST', 'AL Ib', 'b', 'test'),
  hot('A9', 'TEST', 'rAX Iz', 'v', 'test'),
  hot('F6 /0', 'TEST', 'Eb Ib', 'b', 'test'),
  hot('F7 /0', 'TEST', 'Ev Iz', 'v', 'test'),
  hot('F6 /1', 'TEST', 'Eb Ib', 'b', 'test'),
  hot('F7 /1', 'TEST', 'Ev Iz', 'v', 'test'),

  hot('40+r', 'INC', 'Zv', 'v', 'inc', LEGACY),
  hot('48+r', 'DEC', 'Zv', 'v', 'dec', LEGACY),
  hot('FE /0', 'INC', 'Eb', 'b', 'inc', LOCK),
  hot('FF /0', 'INC', 'Ev', 'v', 'inc', LOCK),
  hot('FE /1', 'DEC', 'Eb', 'b', 'dec', LOCK),
  hot('FF /1', 'DEC', 'Ev', 'v', 'dec', LOCK),
  hot('F6 /2', 'NOT', 'Eb', 'b', 'not', LOCK),
  hot('F7 /2', 'NOT', 'Ev', 'v', 'not', LOCK),
  hot('F6 /3', 'NEG', 'Eb', 'b', 'neg', LOCK),
  hot('F7 /3', 'NEG', 'Ev', 'v', 'neg', LOCK),

  hot('F6 /4', 'MUL', 'Eb', 'b', 'mul'),
  hot('F7 /4', 'MUL', 'Ev', 'v', 'mul'),
  hot('F6 /5', 'IMUL', 'Eb', 'b', 'imul1'),
  hot('F7 /5', 'IMUL', 'Ev', 'v', 'imul1'),
  hot('0F AF /r', 'IMUL', 'Gv Ev', 'v', 'imul2'),
  hot('69 /r', 'IMUL', 'Gv Ev Iz', 'v', 'imul3'),
  hot('6B /r', 'IMUL', 'Gv Ev Ib', 'v', 'imul3'),
  hot('F6 /6', 'DIV', 'Eb', 'b', 'div'),
  hot('F7 /6', 'DIV', 'Ev', 'v', 'div'),
  hot('F6 /7', 'IDIV', 'Eb', 'b', 'idiv'),
  hot('F7 /7', 'IDIV', 'Ev', 'v', 'idiv'),

  cold('27', 'DAA', '', 'b', 'daa', LEGACY),
  cold('2F', 'DAS', '', 'b', 'das', LEGACY),
  cold('37', 'AAA', '', 'b', 'aaa', LEGACY),
  cold('3F', 'AAS', '', 'b', 'aas', LEGACY),
  cold('D4', 'AAM', 'uIb', 'b', 'aam', LEGACY),
  cold('D5', 'AAD', 'uIb', 'b', 'aad', LEGACY),
];
