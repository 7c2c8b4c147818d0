/** Every hot instruction, by the key that the instruction table names it with. */
import * as arithmetic from './arithmetic';
import { BIT_MANIPULATION_SEMANTICS } from './bit-manipulation';
import * as bits from './bits';
import type { Semantic, WarmSemantic } from './context';
import * as control from './control';
import { CRYPTOGRAPHY_SEMANTICS } from './cryptography';
import * as divide from './divide';
import * as exchange from './exchange';
import * as flags from './flag-instructions';
import { FLOATING_POINT_SEMANTICS } from './floating-point';
import * as logic from './logic';
import * as moves from './moves';
import * as multiply from './multiply';
import { PACKED_INTEGER_SEMANTICS } from './packed-integers';
import { PACKED_PRODUCT_SEMANTICS } from './packed-products';
import { PACKED_SHIFT_SEMANTICS } from './packed-shifts';
import { PACKED_SHUFFLE_SEMANTICS } from './packed-shuffles';
import { PACKED_TEST_SEMANTICS } from './packed-tests';
import * as shifts from './shifts';
import * as stack from './stack';
import * as strings from './strings';
import { VECTOR_MOVE_SEMANTICS } from './vector-moves';

export const SEMANTICS: Readonly<Record<string, Semantic>> = {
  add: arithmetic.addition,
  adc: arithmetic.additionWithCarry,
  sub: arithmetic.subtraction,
  sbb: arithmetic.subtractionWithBorrow,
  cmp: arithmetic.compare,
  inc: arithmetic.increment,
  dec: arithmetic.decrement,
  neg: arithmetic.negate,

  and: logic.conjunction,
  or: logic.disjunction,
  xor: logic.exclusiveOr,
  not: logic.complement,
  test: logic.test,

  shl: shifts.shiftLeft,
  shr: shifts.shiftRight,
  sar: shifts.shiftArithmeticRight,
  rol: shifts.rotateLeft,
  ror: shifts.rotateRight,
  rcl: shifts.rotateLeftThroughCarry,
  rcr: shifts.rotateRightThroughCarry,
  shld: shifts.doubleShiftLeft,
  shrd: shifts.doubleShiftRight,

  mul: multiply.multiplyUnsigned,
  imul1: multiply.multiplySigned,
  imul2: multiply.multiplyTwo,
  imul3: multiply.multiplyThree,
  div: divide.divideUnsignedOperand,
  idiv: divide.divideSignedOperand,

  bt: bits.testBit,
  bts: bits.testAndSet,
  btr: bits.testAndReset,
  btc: bits.testAndComplement,
  bsf: bits.scanForward,
  bsr: bits.scanReverse,
  bswap: bits.byteSwap,

  mov: moves.move,
  movzx: moves.moveZeroExtended,
  movsx: moves.moveSignExtended,
  lea: moves.loadEffectiveAddress,
  setcc: moves.setOnCondition,
  cmovcc: moves.moveOnCondition,
  cbw: moves.extendAccumulator,
  cwd: moves.extendAccumulatorIntoD,
  xlat: moves.translateByte,

  xchg: exchange.exchange,
  xadd: exchange.exchangeAndAdd,
  cmpxchg: exchange.compareAndExchange,
  cmpxchg8b: exchange.compareAndExchange8,
  cmpxchg16b: exchange.compareAndExchange16,

  push: stack.push,
  push_imm: stack.pushImmediate,
  pop: stack.pop,
  pushf: stack.pushFlags,
  enter: stack.enter,
  leave: stack.leave,

  movs: strings.moveString,
  stos: strings.storeString,
  lods: strings.loadString,
  cmps: strings.compareString,
  scas: strings.scanString,

  jcc: control.jumpOnCondition,
  ud2: control.undefinedOpcode,
  jmp: control.jump,
  jmp_indirect: control.jumpIndirect,
  call: control.call,
  call_indirect: control.callIndirect,
  ret: control.returnNear,
  ret_imm: control.returnAndRelease,
  loop: control.loop,
  loope: control.loopWhileEqual,
  loopne: control.loopWhileNotEqual,
  jcxz: control.jumpIfCountZero,
  nop: control.noOperation,

  lahf: flags.loadFlagsIntoAh,
  sahf: flags.storeAhIntoFlags,
  clc: flags.clearCarryFlag,
  stc: flags.setCarryFlag,
  cmc: flags.complementCarryFlag,
  cld: flags.clearDirectionFlag,
  std: flags.setDirectionFlag,
  salc: flags.setAlFromCarry,
};

/** Every warm instruction, likewise. */
export const WARM_SEMANTICS: Readonly<Record<string, WarmSemantic>> = {
  ...PACKED_INTEGER_SEMANTICS,
  ...PACKED_PRODUCT_SEMANTICS,
  ...PACKED_SHIFT_SEMANTICS,
  ...PACKED_SHUFFLE_SEMANTICS,
  ...PACKED_TEST_SEMANTICS,
  ...VECTOR_MOVE_SEMANTICS,
  ...BIT_MANIPULATION_SEMANTICS,
  ...CRYPTOGRAPHY_SEMANTICS,
  ...FLOATING_POINT_SEMANTICS,
};
