import { COLD, type ColdInstruction } from '../cpu/cold';
import { add, divide, fusedMultiplyAdd, type FusedSigns, multiply, squareRoot, subtract } from '../float/arithmetic';
import { maximum, minimum } from '../float/compare';
import { roundToIntegral } from '../float/convert';
import type { FloatEnvironment } from '../float/environment';
import type { Format } from '../float/format';
import { unpack, type Unpacked } from '../float/unpack';
import { computeElements, countOf, FORMATS, SOURCE, writeElements, writeLowest } from './float-elements';
import { element, firstSourceOf } from './registers';

/** An operation on two encodings; one operand counts where there is only one. */
type Operation = (format: Format, env: FloatEnvironment, a: bigint, b: bigint, imm8: number) => bigint;

const unpacked =
  (operation: (format: Format, env: FloatEnvironment, a: Unpacked, b: Unpacked) => bigint): Operation =>
  (format, env, a, b) =>
    operation(format, env, unpack(format, a, env), unpack(format, b, env));

const sum = unpacked(add);
const difference = unpacked(subtract);

const root: Operation = (format, env, _a, b) => squareRoot(format, env, unpack(format, b, env));

/** Bits of the immediate byte of ROUND: take rounding control from MXCSR; suppress the precision exception. */
const BY_MXCSR = 4;
const SUPPRESS = 8;

const integral: Operation = (format, env, _a, b, imm8) => {
  const rounding = (imm8 & BY_MXCSR) !== 0 ? env.rounding : imm8 & 3;
  return roundToIntegral(format, env, unpack(format, b, env), rounding, (imm8 & SUPPRESS) === 0);
};

const packed =
  (operation: Operation, size: 4 | 8): ColdInstruction =>
  (cpu, insn) => {
    const first = firstSourceOf(insn);
    const results = computeElements(cpu, countOf(insn, size), (env, i) =>
      operation(FORMATS[size], env, element(cpu, first, size, i), element(cpu, SOURCE, size, i), insn.imm8),
    );
    writeElements(cpu, insn, size, results);
    return COLD.NEXT;
  };

const scalar =
  (operation: Operation, size: 4 | 8): ColdInstruction =>
  (cpu, insn) => {
    const first = firstSourceOf(insn);
    const [result] = computeElements(cpu, 1, (env) =>
      operation(FORMATS[size], env, element(cpu, first, size, 0), element(cpu, SOURCE, size, 0), insn.imm8),
    );
    writeLowest(cpu, insn, size, result);
    return COLD.NEXT;
  };

const inKinds = (name: string, operation: Operation): Readonly<Record<string, ColdInstruction>> => ({
  [`${name}ps`]: packed(operation, 4),
  [`${name}pd`]: packed(operation, 8),
  [`${name}ss`]: scalar(operation, 4),
  [`${name}sd`]: scalar(operation, 8),
});

/** HADD and HSUB: pairs of the first source, then of the second, in each 128 bits. */
const horizontal =
  (operation: Operation, size: 4 | 8): ColdInstruction =>
  (cpu, insn) => {
    const first = firstSourceOf(insn);
    const perHalf = 16 / size;
    const results = computeElements(cpu, countOf(insn, size), (env, i) => {
      const inHalf = i % perHalf;
      const from = inHalf < perHalf / 2 ? first : SOURCE;
      const pair = i - inHalf + ((inHalf * 2) % perHalf);
      return operation(FORMATS[size], env, element(cpu, from, size, pair), element(cpu, from, size, pair + 1), 0);
    });
    writeElements(cpu, insn, size, results);
    return COLD.NEXT;
  };

/** ADDSUB: even elements are subtracted, odd ones added. */
const alternating =
  (size: 4 | 8): ColdInstruction =>
  (cpu, insn) => {
    const first = firstSourceOf(insn);
    const results = computeElements(cpu, countOf(insn, size), (env, i) =>
      (i % 2 === 0 ? difference : sum)(
        FORMATS[size],
        env,
        element(cpu, first, size, i),
        element(cpu, SOURCE, size, i),
        0,
      ),
    );
    writeElements(cpu, insn, size, results);
    return COLD.NEXT;
  };

// Fused multiply-add

type FusedName = 'add' | 'sub' | 'nadd' | 'nsub' | 'addsub' | 'subadd';

const isNegated = (name: FusedName, index: number): FusedSigns => {
  const subtracts = name === 'addsub' ? index % 2 === 0 : name === 'subadd' ? index % 2 === 1 : name.endsWith('sub');
  return { negateProduct: name.startsWith('n'), negateAddend: subtracts };
};

/** The digits of the mnemonic say which operands are multiplied and added: 1 is the destination, 2 VEX.vvvv, 3 the source. */
const fusedOperation =
  (name: FusedName, order: string, size: 4 | 8, packs: boolean): ColdInstruction =>
  (cpu, insn) => {
    const places = [insn.d, insn.v, SOURCE];
    const [a, b, c] = [...order].map((digit) => places[Number(digit) - 1]);
    const format = FORMATS[size];
    const results = computeElements(cpu, packs ? countOf(insn, size) : 1, (env, i) => {
      const [x, y, z] = [a, b, c].map((at) => unpack(format, element(cpu, at, size, i), env));
      return fusedMultiplyAdd(format, env, x, y, z, isNegated(name, i));
    });
    if (packs) writeElements(cpu, insn, size, results);
    else {
      // The other elements stay as they are in the destination.
      cpu.memory.u8.fill(0, insn.d + 16, insn.d + 32);
      if (size === 4) cpu.memory.view.setUint32(insn.d, Number(results[0]), true);
      else cpu.memory.view.setBigUint64(insn.d, results[0], true);
    }
    return COLD.NEXT;
  };

const FUSED_NAMES: Readonly<Record<FusedName, string>> = {
  add: 'fmadd',
  sub: 'fmsub',
  nadd: 'fnmadd',
  nsub: 'fnmsub',
  addsub: 'fmaddsub',
  subadd: 'fmsubadd',
};

/** Of operands 1, 2, 3: the factors, then the addend; a NaN counts in this order. */
const FUSED_ORDERS = { '132': '132', '213': '213', '231': '231' } as const;

const fused = (): Readonly<Record<string, ColdInstruction>> =>
  Object.fromEntries(
    (Object.keys(FUSED_NAMES) as FusedName[]).flatMap((name) =>
      Object.entries(FUSED_ORDERS).flatMap(([digits, order]) =>
        ([4, 8] as const).flatMap((size) =>
          [true, false].map((packs) => [
            `${FUSED_NAMES[name]}${digits}${packs ? 'p' : 's'}${size === 4 ? 's' : 'd'}`,
            fusedOperation(name, order, size, packs),
          ]),
        ),
      ),
    ),
  );

/** Arithmetic by soft floats. */
export const FLOAT_ARITHMETIC_ASSISTS: Readonly<Record<string, ColdInstruction>> = {
  ...inKinds('add', sum),
  ...inKinds('sub', difference),
  ...inKinds('mul', unpacked(multiply)),
  ...inKinds('div', unpacked(divide)),
  ...inKinds('sqrt', root),
  ...inKinds('min', minimum),
  ...inKinds('max', maximum),
  ...inKinds('round', integral),
  haddps: horizontal(sum, 4),
  haddpd: horizontal(sum, 8),
  hsubps: horizontal(difference, 4),
  hsubpd: horizontal(difference, 8),
  addsubps: alternating(4),
  addsubpd: alternating(8),
  ...fused(),
};
