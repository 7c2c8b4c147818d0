import type { InstructionRow } from '../instruction-types';
import { cold, hex, type RowOptions } from './row';

const X87: RowOptions = { unit: 'x87', feature: 'fpu' };
const MOVE: RowOptions = { unit: 'x87', feature: 'cmov' };
const TRUNCATING: RowOptions = { unit: 'x87', feature: 'sse3' };

/** Arithmetic and comparison in the order of the opcodes' digits. */
const OPERATIONS = ['FADD', 'FMUL', 'FCOM', 'FCOMP', 'FSUB', 'FSUBR', 'FDIV', 'FDIVR'] as const;
/** The same with ST(i) as the destination: the last two pairs change places. FCOM and FCOMP stay what they are. */
const TO_REGISTER = ['FADD', 'FMUL', 'FCOM', 'FCOMP', 'FSUBR', 'FSUB', 'FDIVR', 'FDIV'] as const;

const compares = (mnemonic: string): boolean => mnemonic.startsWith('FCOM');

/** Opcode column of a register form: 'D8 C0+i'. */
const register = (opcode: number, digit: number): string => `${hex(opcode)} ${hex(0xc0 + digit * 8)}+i`;

const ARITHMETIC: readonly InstructionRow[] = [
  ...OPERATIONS.flatMap((mnemonic, digit) => {
    const key = mnemonic.toLowerCase();
    const integer = mnemonic.replace('F', 'FI');
    return [
      cold(`D8 /${digit} mem`, mnemonic, 'Md', 'd', `${key}_m32`, X87),
      cold(`DC /${digit} mem`, mnemonic, 'Mq', 'q', `${key}_m64`, X87),
      cold(`DA /${digit} mem`, integer, 'Md', 'd', `${key}_i32`, X87),
      cold(`DE /${digit} mem`, integer, 'Mw', 'w', `${key}_i16`, X87),
      cold(
        register(0xd8, digit),
        mnemonic,
        compares(mnemonic) ? 'STi' : 'ST STi',
        '-',
        compares(mnemonic) ? key : `${key}_st0`,
        X87,
      ),
    ];
  }),
  ...TO_REGISTER.flatMap((mnemonic, digit) => {
    const key = mnemonic.toLowerCase();
    if (compares(mnemonic)) return [cold(register(0xdc, digit), mnemonic, 'STi', '-', key, X87)];
    return [
      cold(register(0xdc, digit), mnemonic, 'STi ST', '-', `${key}_sti`, X87),
      cold(register(0xde, digit), `${mnemonic}P`, 'STi ST', '-', `${key}p`, X87),
    ];
  }),
  cold('DE D0+i', 'FCOMP', 'STi', '-', 'fcomp', X87),
  cold('DE D9', 'FCOMPP', '', '-', 'fcompp', X87),
  cold('DA E9', 'FUCOMPP', '', '-', 'fucompp', X87),
  cold('DD E0+i', 'FUCOM', 'STi', '-', 'fucom', X87),
  cold('DD E8+i', 'FUCOMP', 'STi', '-', 'fucomp', X87),
  cold('DB E8+i', 'FUCOMI', 'ST STi', '-', 'fucomi', MOVE),
  cold('DB F0+i', 'FCOMI', 'ST STi', '-', 'fcomi', MOVE),
  cold('DF E8+i', 'FUCOMIP', 'ST STi', '-', 'fucomip', MOVE),
  cold('DF F0+i', 'FCOMIP', 'ST STi', '-', 'fcomip', MOVE),
];

/** Second bytes of D9 with nothing but the stack for operands. */
const D9: Readonly<Record<number, string>> = {
  0xd0: 'FNOP',
  0xe0: 'FCHS',
  0xe1: 'FABS',
  0xe4: 'FTST',
  0xe5: 'FXAM',
  0xe8: 'FLD1',
  0xe9: 'FLDL2T',
  0xea: 'FLDL2E',
  0xeb: 'FLDPI',
  0xec: 'FLDLG2',
  0xed: 'FLDLN2',
  0xee: 'FLDZ',
  0xf0: 'F2XM1',
  0xf1: 'FYL2X',
  0xf2: 'FPTAN',
  0xf3: 'FPATAN',
  0xf4: 'FXTRACT',
  0xf5: 'FPREM1',
  0xf6: 'FDECSTP',
  0xf7: 'FINCSTP',
  0xf8: 'FPREM',
  0xf9: 'FYL2XP1',
  0xfa: 'FSQRT',
  0xfb: 'FSINCOS',
  0xfc: 'FRNDINT',
  0xfd: 'FSCALE',
  0xfe: 'FSIN',
  0xff: 'FCOS',
};

const TRANSFER: readonly InstructionRow[] = [
  cold('D9 /0 mem', 'FLD', 'Md', 'd', 'fld_m32', X87),
  cold('DD /0 mem', 'FLD', 'Mq', 'q', 'fld_m64', X87),
  cold('DB /5 mem', 'FLD', 'Mt', '-', 'fld_m80', X87),
  cold('D9 C0+i', 'FLD', 'STi', '-', 'fld', X87),
  cold('D9 /2 mem', 'FST', 'Md', 'd', 'fst_m32', X87),
  cold('DD /2 mem', 'FST', 'Mq', 'q', 'fst_m64', X87),
  cold('DD D0+i', 'FST', 'STi', '-', 'fst', X87),
  cold('D9 /3 mem', 'FSTP', 'Md', 'd', 'fstp_m32', X87),
  cold('DD /3 mem', 'FSTP', 'Mq', 'q', 'fstp_m64', X87),
  cold('DB /7 mem', 'FSTP', 'Mt', '-', 'fstp_m80', X87),
  cold('DD D8+i', 'FSTP', 'STi', '-', 'fstp', X87),
  cold('DF /0 mem', 'FILD', 'Mw', 'w', 'fild_i16', X87),
  cold('DB /0 mem', 'FILD', 'Md', 'd', 'fild_i32', X87),
  cold('DF /5 mem', 'FILD', 'Mq', 'q', 'fild_i64', X87),
  cold('DF /2 mem', 'FIST', 'Mw', 'w', 'fist_i16', X87),
  cold('DB /2 mem', 'FIST', 'Md', 'd', 'fist_i32', X87),
  cold('DF /3 mem', 'FISTP', 'Mw', 'w', 'fistp_i16', X87),
  cold('DB /3 mem', 'FISTP', 'Md', 'd', 'fistp_i32', X87),
  cold('DF /7 mem', 'FISTP', 'Mq', 'q', 'fistp_i64', X87),
  cold('DF /1 mem', 'FISTTP', 'Mw', 'w', 'fisttp_i16', TRUNCATING),
  cold('DB /1 mem', 'FISTTP', 'Md', 'd', 'fisttp_i32', TRUNCATING),
  cold('DD /1 mem', 'FISTTP', 'Mq', 'q', 'fisttp_i64', TRUNCATING),
  cold('DF /4 mem', 'FBLD', 'Mt', '-', 'fbld', X87),
  cold('DF /6 mem', 'FBSTP', 'Mt', '-', 'fbstp', X87),
  cold('D9 C8+i', 'FXCH', 'STi', '-', 'fxch', X87),
  cold('DD C0+i', 'FFREE', 'STi', '-', 'ffree', X87),
  ...['B', 'E', 'BE', 'U'].flatMap((condition, digit) => [
    cold(register(0xda, digit), `FCMOV${condition}`, 'ST STi', '-', `fcmov${condition.toLowerCase()}`, MOVE),
    cold(register(0xdb, digit), `FCMOVN${condition}`, 'ST STi', '-', `fcmovn${condition.toLowerCase()}`, MOVE),
  ]),
];

/** Encodings no manual lists, which every processor executes as their neighbours. */
const ALIASES: readonly InstructionRow[] = [
  cold('D9 D8+i', 'FSTPNCE', 'STi', '-', 'fstpnce', X87),
  cold('DF D0+i', 'FSTP', 'STi', '-', 'fstp', X87),
  cold('DF D8+i', 'FSTP', 'STi', '-', 'fstp', X87),
  cold('DD C8+i', 'FXCH', 'STi', '-', 'fxch', X87),
  cold('DF C8+i', 'FXCH', 'STi', '-', 'fxch', X87),
  cold('DF C0+i', 'FFREEP', 'STi', '-', 'ffreep', X87),
  cold('DB E0', 'FNENI', '', '-', 'fnop_8087', X87),
  cold('DB E1', 'FNDISI', '', '-', 'fnop_8087', X87),
  cold('DB E4', 'FNSETPM', '', '-', 'fnop_8087', X87),
];

const CONTROL: readonly InstructionRow[] = [
  cold('D9 /4 mem', 'FLDENV', 'M', 'v', 'fldenv', X87),
  cold('D9 /5 mem', 'FLDCW', 'Mw', 'w', 'fldcw', X87),
  cold('D9 /6 mem', 'FNSTENV', 'M', 'v', 'fnstenv', X87),
  cold('D9 /7 mem', 'FNSTCW', 'Mw', 'w', 'fnstcw', X87),
  cold('DD /4 mem', 'FRSTOR', 'M', 'v', 'frstor', X87),
  cold('DD /6 mem', 'FNSAVE', 'M', 'v', 'fnsave', X87),
  cold('DD /7 mem', 'FNSTSW', 'Mw', 'w', 'fnstsw', X87),
  cold('DF E0', 'FNSTSW', 'AX', 'w', 'fnstsw_ax', X87),
  cold('DB E2', 'FNCLEX', '', '-', 'fnclex', X87),
  cold('DB E3', 'FNINIT', '', '-', 'fninit', X87),
  cold('9B', 'WAIT', '', '-', 'fwait', { unit: 'wait' }),
  cold('NP 0F 77', 'EMMS', '', '-', 'emms', { unit: 'mmx', feature: 'mmx' }),
];

/** x87 FPU instructions, and EMMS. */
export const X87_ROWS: readonly InstructionRow[] = [
  ...ARITHMETIC,
  ...Object.entries(D9).map(([byte, mnemonic]) =>
    cold(`D9 ${hex(Number(byte))}`, mnemonic, '', '-', mnemonic.toLowerCase(), X87),
  ),
  ...TRANSFER,
  ...ALIASES,
  ...CONTROL,
];
