/** LAHF, SAHF, STC, CLC, CMC, CLD, STD, SALC. */
import { and32, extendU, i32, i64, or32, shl32, sub, wrap, xor32 } from '../codegen/expr';
import type { Semantic } from './context';
import { arithmeticImage, carry, carry64, setCarry, setImage } from './flag-emitters';
import { AF, CF, OF, PF, SF, ZF } from './flags';

const DF = 0x400;
/** Bit 1 of RFLAGS, always set. */
const RESERVED = 0x2;
const LOW = SF | ZF | AF | PF | CF;

export const loadFlagsIntoAh: Semantic = (c) =>
  c.setAh(extendU(or32(and32(arithmeticImage(c), i32(LOW)), i32(RESERVED))));

export const storeAhIntoFlags: Semantic = (c) => {
  const overflow = shl32(c.condition(0), i32(Math.log2(OF)));
  setImage(c, c.hold32(or32(and32(wrap(c.ah()), i32(LOW)), overflow)));
};

export const setCarryFlag: Semantic = (c) => setCarry(c, i64(1));
export const clearCarryFlag: Semantic = (c) => setCarry(c, i64(0));
export const complementCarryFlag: Semantic = (c) => setCarry(c, extendU(xor32(carry(c), i32(1))));

export const clearDirectionFlag: Semantic = (c) => c.setSystemFlags(and32(c.systemFlags(), i32(~DF)));
export const setDirectionFlag: Semantic = (c) => c.setSystemFlags(or32(c.systemFlags(), i32(DF)));

/** SALC: AL becomes all ones or zero by CF. */
export const setAlFromCarry: Semantic = (c) => c.setGpr(0, 1, sub(i64(0), carry64(c)));
