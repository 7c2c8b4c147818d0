import type { Shape, Size } from '../semantics/shape';
import type { InstructionRow } from '../tables/instruction-types';
import { admitsMemory, COMPILED_ROWS, type CompiledRow, isMemoryOnly, isRegisterOnly } from './compiled-row';
import { addressSizeLog, operandSizeLog, type CodeSize } from './operand-size';

const REPEATS: readonly Shape['repeat'][] = ['', 'rep', 'repe', 'repne'];

/** The part of a shape that an instruction's row alone decides, and whether its operand is memory. */
type Head = Pick<Shape, 'semantic' | 'form' | 'condition' | 'vector' | 'vex'>;

const COLD_HEAD: Head = { semantic: 'cold', form: '-', condition: 0, vector: 0, vex: false };
const EA_HEAD: Head = { semantic: 'ea', form: 'M', condition: 0, vector: 0, vex: false };

const headKey = ({ semantic, form, condition, vector, vex }: Head): string =>
  [semantic, form, condition, vector, vex].join(' ');

const headOf = (row: CompiledRow, memory: boolean): Head =>
  row.hot
    ? {
        semantic: row.key,
        form: memory ? row.memoryForm : row.registerForm,
        condition: row.condition,
        vector: row.vector,
        vex: row.vex,
      }
    : COLD_HEAD;

/** Every head there is, by its number. */
const HEADS: readonly Head[] = [
  ...new Map(
    [COLD_HEAD, EA_HEAD, ...COMPILED_ROWS.flatMap((row) => [headOf(row, false), headOf(row, true)])].map((head) => [
      headKey(head),
      head,
    ]),
  ).values(),
];
const headNumbers = new Map<string, number>(HEADS.map((head, index) => [headKey(head), index]));
const headNumber = (head: Head): number => headNumbers.get(headKey(head)) ?? -1;

/** What a decoded instruction adds to its row to make a shape. */
export interface Variant {
  readonly memory: boolean;
  /** log2 of the operand size. */
  readonly size: number;
  /** log2 of the implicit operand's address size; 0 none. */
  readonly address: number;
  /** Index: none, rep, repe, repne. */
  readonly repeat: number;
  readonly segmented: boolean;
  readonly indexed: boolean;
}

/**
 * A shape's number, distinct for distinct shapes. Sizes are log2, `source` log2 + 1 (0 none):
 *
 *     11 and up head | 10..9 size | 8..6 source | 5..4 address | 3..2 repeat | 1 segmented | 0 indexed
 */
const pack = (
  head: number,
  size: number,
  source: number,
  address: number,
  repeat: number,
  segmented: boolean,
  indexed: boolean,
): number =>
  (head << 11) | (size << 9) | (source << 6) | (address << 4) | (repeat << 2) | (segmented ? 2 : 0) | (indexed ? 1 : 0);

const log2 = (size: number): number => 31 - Math.clz32(size);

const numberOf = (shape: Shape): number =>
  pack(
    headNumber(shape),
    log2(shape.size),
    shape.sourceSize === 0 ? 0 : log2(shape.sourceSize) + 1,
    shape.address === 0 ? 0 : log2(shape.address),
    REPEATS.indexOf(shape.repeat),
    shape.segmented,
    shape.indexed,
  );

const unpack = (packed: number): Shape => {
  const source = (packed >> 6) & 7;
  const address = (packed >> 4) & 3;
  return {
    ...HEADS[packed >> 11],
    size: (1 << ((packed >> 9) & 3)) as Size,
    sourceSize: source === 0 ? 0 : ((1 << (source - 1)) as Size),
    address: address === 0 ? 0 : ((1 << address) as 2 | 4 | 8),
    repeat: REPEATS[(packed >> 2) & 3],
    segmented: (packed & 2) !== 0,
    indexed: (packed & 1) !== 0,
  };
};

/** The part of a row's shape numbers that does not vary, for a register and for a memory operand. */
const rowPart = (row: CompiledRow, memory: boolean): number => headNumber(headOf(row, memory)) << 11;
const registerPart = Int32Array.from(COMPILED_ROWS, (row) => rowPart(row, false));
const memoryPart = Int32Array.from(COMPILED_ROWS, (row) => rowPart(row, true));

const shapeNumber = (row: CompiledRow, variant: Variant): number => {
  const size = row.hot ? variant.size : 3;
  // MOVSXD to 16 bits reads 16.
  const source = row.sourceSize === 0 ? 0 : Math.min(log2(row.sourceSize), size) + 1;
  return (
    (variant.memory ? memoryPart : registerPart)[row.index] |
    pack(0, size, source, variant.address, variant.repeat, variant.segmented, variant.indexed)
  );
};

/** Repeat index of a hot string instruction for the prefix in force (0 none, 0xF2 or 0xF3). */
export const repeatOf = (row: CompiledRow, prefix: number): number => {
  if (prefix === 0 || row.repeats === '') return 0;
  if (row.repeats === 'rep') return 1;
  return prefix === 0xf3 ? 2 : 3;
};

/** log2 of the address size of a row's implicit operand; 0 none. */
export const implicitAddress = (row: CompiledRow, address: number, stack: number): number => {
  if (row.implicit === 'none') return 0;
  return row.implicit === 'stack' ? stack : address;
};

/** Whether an instruction computes with its memory operand's parts itself, never with an address record's result. */
export const isAddressedRaw = (row: CompiledRow): boolean => row.key === 'lea' || row.implicit === 'bit string';

/** Whether a row's implicit memory operand goes through segmentation; `based`: FS or GS override. */
export const implicitSegmented = (row: CompiledRow, flat: boolean, based: boolean): boolean => {
  switch (row.implicit) {
    case 'none':
    case 'address':
      return false;
    case 'source string':
    case 'bit string':
      return based || !flat;
    default:
      return !flat;
  }
};

interface Surroundings {
  readonly code: CodeSize;
  /** log2 of the stack pointer's width. */
  readonly stack: number;
  readonly flat: boolean;
}

const SURROUNDINGS: readonly Surroundings[] = [
  { code: 64, stack: 3, flat: true },
  ...([32, 16] as const).flatMap((code) =>
    [2, 1].flatMap((stack) => [true, false].map((flat) => ({ code, stack, flat }))),
  ),
];

const BOTH = [false, true] as const;
const ONE_WAY = [false] as const;
const NO_PREFIX = [0] as const;
const REPEAT_PREFIXES = [0, 0xf2, 0xf3] as const;

/** Values of REX.W or VEX.W that decoding `row` can see as an operand size. */
const wholesOf = (row: CompiledRow, code: CodeSize): readonly boolean[] => {
  if (code !== 64 || row.row.opcode.includes('W0 ')) return [false];
  return /W1 |REX\.W /.test(row.row.opcode) ? [true] : BOTH;
};

/** Every number that decoding `row` in these surroundings can give. */
const collect = (row: CompiledRow, { code, stack, flat }: Surroundings, into: Set<number>): void => {
  if (row.row.mode === (code === 64 ? 'legacy' : 'long')) return;
  const canBeMemory =
    row.row.operands.some(admitsMemory) && !row.registerOnly && !row.row.operands.some(isRegisterOnly);
  const canBeRegister = !row.row.operands.some(isMemoryOnly);
  // Of most warm rows none of this makes a difference.
  const ways = row.warm && row.implicit === 'none' ? ONE_WAY : BOTH;
  const prefixes = row.repeats === '' ? NO_PREFIX : REPEAT_PREFIXES;
  for (const override of BOTH)
    for (const rexW of wholesOf(row, code))
      for (const addressOverride of ways)
        for (const based of ways)
          for (const prefix of prefixes)
            for (const memory of BOTH)
              for (const index of ways) {
                if (memory ? !canBeMemory : !canBeRegister) continue;
                const address = addressSizeLog(code, addressOverride);
                const direct = code === 64 && address === 3 && !based;
                into.add(
                  shapeNumber(row, {
                    memory,
                    size: operandSizeLog(row.size, code, override, rexW),
                    address: implicitAddress(row, address, stack),
                    repeat: repeatOf(row, prefix),
                    segmented: implicitSegmented(row, flat, based),
                    indexed: row.warm
                      ? memory
                      : memory && index && !row.moffs && (isAddressedRaw(row) || (row.accesses && direct)),
                  }),
                );
              }
};

const enumerate = (): { readonly numbers: readonly number[]; readonly inline: number } => {
  const numbers = new Set<number>([pack(headNumber(COLD_HEAD), 3, 0, 0, 0, false, false)]);
  for (const address of [3, 2, 1])
    for (const segmented of BOTH)
      for (const indexed of BOTH)
        if (address !== 3 || segmented) numbers.add(pack(headNumber(EA_HEAD), 3, 0, address, 0, segmented, indexed));
  for (const surroundings of SURROUNDINGS)
    for (const row of COMPILED_ROWS) if (row.hot && !row.warm) collect(row, surroundings, numbers);
  const inline = numbers.size;
  for (const surroundings of SURROUNDINGS)
    for (const row of COMPILED_ROWS) if (row.warm) collect(row, surroundings, numbers);
  return { numbers: [...numbers], inline };
};

const { numbers: NUMBERS, inline: INLINE_SHAPES } = enumerate();

/** Every shape decoding can give, each once: a shape's index is its handler's. All cold instructions share the first. */
export const SHAPES: readonly Shape[] = NUMBERS.map(unpack);

/** The shapes below this index are handled in the interpreter's dispatching function, the others each in one of their own. */
export const FIRST_WARM_SHAPE = INLINE_SHAPES;

const indexOfNumber = new Map<number, number>(NUMBERS.map((packed, index) => [packed, index]));

/** Index in SHAPES of a shape decoding can give, or undefined. */
const findShape = (shape: Shape): number | undefined => indexOfNumber.get(numberOf(shape));

/** Index in SHAPES; the shape must be one of them, or equal one. */
export const shapeIndex = (shape: Shape): number => {
  const index = findShape(shape);
  if (index === undefined) throw new Error(`no handler for the shape of ${shape.semantic} ${shape.form}`);
  return index;
};

/** Index in SHAPES of a row in a variant that decoding met. */
export const variantIndex = (row: CompiledRow, variant: Variant): number => {
  if (!row.hot) return COLD_SHAPE;
  const index = indexOfNumber.get(shapeNumber(row, variant));
  if (index === undefined) throw new Error(`no handler for ${row.row.mnemonic} ${row.row.opcode}`);
  return index;
};

/** Index in SHAPES of the shape of cold instructions. */
export const COLD_SHAPE = 0;

/** Index in SHAPES of the address computation that precedes an instruction; `address` is log2 of its size. */
export const eaIndex = (address: number, segmented: boolean, indexed: boolean): number =>
  indexOfNumber.get(pack(headNumber(EA_HEAD), 3, 0, address, 0, segmented, indexed)) ?? COLD_SHAPE;

/** Whether an instruction is the last of its block. */
export const endsBlock = (row: InstructionRow): boolean => row.ends;

/** Index in SHAPES of the instruction that is undefined. */
export const UNDEFINED_SHAPE = SHAPES.findIndex(({ semantic }) => semantic === 'ud2');
