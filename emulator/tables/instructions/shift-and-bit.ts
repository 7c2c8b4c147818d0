import type { InstructionRow } from '../instruction-types';
import { CONDITIONS, hex, hot, LOCK } from './row';

/** Group 2 in encoding order; /6 is an alias of /4. */
const SHIFTS = ['ROL', 'ROR', 'RCL', 'RCR', 'SHL', 'SHR', 'SHL', 'SAR'] as const;

const shift = (mnemonic: string, digit: number): readonly InstructionRow[] => {
  const key = mnemonic.toLowerCase();
  return [
    hot(`C0 /${digit}`, mnemonic, 'Eb uIb', 'b', key),
    hot(`C1 /${digit}`, mnemonic, 'Ev uIb', 'v', key),
    hot(`D0 /${digit}`, mnemonic, 'Eb 1', 'b', key),
    hot(`D1 /${digit}`, mnemonic, 'Ev 1', 'v', key),
    hot(`D2 /${digit}`, mnemonic, 'Eb CL', 'b', key),
    hot(`D3 /${digit}`, mnemonic, 'Ev CL', 'v', key),
  ];
};

/** Shift and rotate, bit and byte instructions. */
export const SHIFT_AND_BIT_ROWS: readonly InstructionRow[] = [
  ...SHIFTS.flatMap(shift),
  hot('0F A4 /r', 'SHLD', 'Ev Gv uIb', 'v', 'shld'),
  hot('0F A5 /r', 'SHLD', 'Ev Gv CL', 'v', 'shld'),
  hot('0F AC /r', 'SHRD', 'Ev Gv uIb', 'v', 'shrd'),
  hot('0F AD /r', 'SHRD', 'Ev Gv CL', 'v', 'shrd'),

  hot('0F A3 /r', 'BT', 'Ev Gv', 'v', 'bt'),
  hot('0F AB /r', 'BTS', 'Ev Gv', 'v', 'bts', LOCK),
  hot('0F B3 /r', 'BTR', 'Ev Gv', 'v', 'btr', LOCK),
  hot('0F BB /r', 'BTC', 'Ev Gv', 'v', 'btc', LOCK),
  hot('0F BA /4', 'BT', 'Ev uIb', 'v', 'bt'),
  hot('0F BA /5', 'BTS', 'Ev uIb', 'v', 'bts', LOCK),
  hot('0F BA /6', 'BTR', 'Ev uIb', 'v', 'btr', LOCK),
  hot('0F BA /7', 'BTC', 'Ev uIb', 'v', 'btc', LOCK),
  // F3 selects TZCNT and LZCNT only where CPUID says so; elsewhere the prefix is ignored.
  hot('0F BC /r', 'BSF', 'Gv Ev', 'v', 'bsf'),
  hot('0F BD /r', 'BSR', 'Gv Ev', 'v', 'bsr'),
  ...CONDITIONS.map((condition, cc) => hot(`0F ${hex(0x90 + cc)} /r`, `SET${condition}`, 'Eb', 'b', 'setcc')),
];
