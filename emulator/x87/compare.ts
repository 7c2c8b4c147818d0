import type { ColdInstruction } from '../cpu/cold';
import { compare, RELATION, type Relation } from '../float/compare';
import { KIND, type Unpacked } from '../float/unpack';
import { RFLAGS } from '../tables/control-registers';
import { MEMORY_OPERANDS, unpackInteger } from './arithmetic';
import { INDEFINITE, STATUS, type Fpu } from './fpu';
import { waiting } from './operands';

const { C0, C2, C3 } = STATUS;
const ORDER = C0 | C2 | C3;

/** Condition codes of FCOM: C3 as ZF, C2 as PF, C0 as CF. */
const conditionsOf = (relation: Relation): number => {
  switch (relation) {
    case RELATION.GREATER:
      return 0;
    case RELATION.LESS:
      return C0;
    case RELATION.EQUAL:
      return C3;
    case RELATION.UNORDERED:
      return ORDER;
  }
};

interface Comparison {
  readonly signalling: boolean;
  readonly pops: 0 | 1 | 2;
  /** The result goes to RFLAGS. */
  readonly toFlags?: boolean;
}

function report(fpu: Fpu, relation: Relation, toFlags: boolean): void {
  const codes = conditionsOf(relation);
  if (!toFlags) {
    fpu.conditions(codes, ORDER);
    return;
  }
  const { cpu } = fpu;
  const { ZF, PF, CF, OF, SF, AF } = RFLAGS;
  const flags = (codes & C3 ? ZF : 0) | (codes & C2 ? PF : 0) | (codes & C0 ? CF : 0);
  cpu.rflags = (cpu.rflags & ~(ZF | PF | CF | OF | SF | AF)) | flags;
}

/** Compares ST(0) with an operand; undefined stands for an empty register. */
function comparison(fpu: Fpu, operand: Unpacked | undefined, { signalling, pops, toFlags = false }: Comparison): void {
  const missing = operand === undefined || fpu.isEmpty(0);
  const relation = missing ? RELATION.UNORDERED : compare(fpu.env, fpu.st(0), operand, signalling);
  const goesOn = missing ? fpu.underflow() : fpu.settle();
  // Also where an exception is unmasked: only the pops wait for the handler.
  report(fpu, relation, toFlags);
  if (!goesOn) return;
  for (let i = 0; i < pops; i++) fpu.pop();
}

const withMemory = (read: (fpu: Fpu) => Unpacked, kind: Comparison): ColdInstruction =>
  waiting((fpu) => {
    const operand = read(fpu);
    fpu.begin();
    comparison(fpu, operand, kind);
  });

const withRegister = (kind: Comparison, index?: number): ColdInstruction =>
  waiting((fpu) => {
    fpu.begin(kind.toFlags !== true);
    const i = index ?? fpu.index;
    comparison(fpu, fpu.isEmpty(i) ? undefined : fpu.st(i), kind);
  });

/** SDM "FXAM - Examine Floating-Point". */
function examine(fpu: Fpu): number {
  if (fpu.isEmpty(0)) return C3 | C0;
  const { kind, denormal } = fpu.st(0);
  switch (kind) {
    case KIND.UNSUPPORTED:
      return 0;
    case KIND.QNAN:
    case KIND.SNAN:
      return C0;
    case KIND.INFINITY:
      return C2 | C0;
    case KIND.ZERO:
      return C3;
    case KIND.FINITE:
      return denormal ? C3 | C2 : C2;
  }
}

const COM: Comparison = { signalling: true, pops: 0 };
const COMP: Comparison = { signalling: true, pops: 1 };

/** Conditions of FCMOVcc by the key's suffix. */
const MOVE_CONDITIONS: Readonly<Record<string, (flags: number) => boolean>> = {
  b: (flags) => (flags & RFLAGS.CF) !== 0,
  e: (flags) => (flags & RFLAGS.ZF) !== 0,
  be: (flags) => (flags & (RFLAGS.CF | RFLAGS.ZF)) !== 0,
  u: (flags) => (flags & RFLAGS.PF) !== 0,
  nb: (flags) => (flags & RFLAGS.CF) === 0,
  ne: (flags) => (flags & RFLAGS.ZF) === 0,
  nbe: (flags) => (flags & (RFLAGS.CF | RFLAGS.ZF)) === 0,
  nu: (flags) => (flags & RFLAGS.PF) === 0,
};

const conditionalMove = (holds: (flags: number) => boolean): ColdInstruction =>
  waiting((fpu) => {
    fpu.begin(false);
    if (fpu.isEmpty(0) || fpu.isEmpty(fpu.index)) {
      if (fpu.underflow()) fpu.write(0, INDEFINITE);
    } else if (holds(fpu.cpu.rflags)) fpu.write(0, fpu.bits(fpu.index));
  });

export const X87_COMPARISON: Readonly<Record<string, ColdInstruction>> = {
  ...Object.fromEntries(
    Object.entries(MEMORY_OPERANDS).flatMap(([suffix, read]) => [
      [`fcom_${suffix}`, withMemory(read, COM)],
      [`fcomp_${suffix}`, withMemory(read, COMP)],
    ]),
  ),
  fcom: withRegister(COM),
  fcomp: withRegister(COMP),
  fcompp: withRegister({ signalling: true, pops: 2 }, 1),
  fucom: withRegister({ signalling: false, pops: 0 }),
  fucomp: withRegister({ signalling: false, pops: 1 }),
  fucompp: withRegister({ signalling: false, pops: 2 }, 1),
  fcomi: withRegister({ signalling: true, pops: 0, toFlags: true }),
  fcomip: withRegister({ signalling: true, pops: 1, toFlags: true }),
  fucomi: withRegister({ signalling: false, pops: 0, toFlags: true }),
  fucomip: withRegister({ signalling: false, pops: 1, toFlags: true }),
  ftst: waiting((fpu) => {
    fpu.begin();
    comparison(fpu, unpackInteger(0n), COM);
  }),
  fxam: waiting((fpu) => {
    fpu.begin();
    fpu.conditions(examine(fpu) | (fpu.bits(0) >> 79n === 0n ? 0 : STATUS.C1));
  }),
  ...Object.fromEntries(
    Object.entries(MOVE_CONDITIONS).map(([suffix, holds]) => [`fcmov${suffix}`, conditionalMove(holds)]),
  ),
};
