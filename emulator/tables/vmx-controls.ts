import {
  ENTRY,
  EXCEPTIONS,
  EXIT,
  EXIT_SECONDARY,
  PIN_BASED,
  PRIMARY,
  SECONDARY,
  TERTIARY,
  VM_FUNCTIONS,
} from './vmx/control-rows';

const WORDS = {
  pin: PIN_BASED,
  primary: PRIMARY,
  secondary: SECONDARY,
  tertiary: TERTIARY,
  exit: EXIT,
  exit2: EXIT_SECONDARY,
  entry: ENTRY,
  vmfunc: VM_FUNCTIONS,
  exceptions: EXCEPTIONS,
} as const;

/** A control word of the VMCS, or the exception bitmap. */
export type ControlWord = keyof typeof WORDS;

type KeyIn<W extends ControlWord> = (typeof WORDS)[W][number][1];

/** A control bit by word and key: 'secondary.ENABLE_EPT'. */
export type ControlKey = { [W in ControlWord]: `${W}.${KeyIn<W>}` }[ControlWord];

export interface ControlBit {
  readonly word: ControlWord;
  readonly bit: number;
  readonly key: ControlKey;
  /** As the SDM prints it between quotation marks. */
  readonly name: string;
  readonly description: string;
  /** The machine implements the 1-setting, so the capability MSRs allow it. */
  readonly implemented: boolean;
}

/** What is true of a whole control word. */
export interface ControlWordInfo {
  readonly word: ControlWord;
  readonly title: string;
  /** VMCS field that holds it. */
  readonly encoding: number;
  readonly width: 32 | 64;
  /** Reserved bits whose default setting is 1 (SDM, "Reserved Controls and Default Settings"). */
  readonly default1: number;
  /** Those of `default1` that may be 0 according to the TRUE capability MSRs; 0 where there is no such MSR. */
  readonly mayBeZero: number;
}

export const CONTROL_WORDS: readonly ControlWordInfo[] = [
  { word: 'pin', title: 'Pin-based VM-execution controls', encoding: 0x4000, width: 32, default1: 0x16, mayBeZero: 0 },
  {
    word: 'primary',
    title: 'Primary processor-based VM-execution controls',
    encoding: 0x4002,
    width: 32,
    default1: 0x0401e172,
    mayBeZero: 0x18000,
  },
  {
    word: 'secondary',
    title: 'Secondary processor-based VM-execution controls',
    encoding: 0x401e,
    width: 32,
    default1: 0,
    mayBeZero: 0,
  },
  {
    word: 'tertiary',
    title: 'Tertiary processor-based VM-execution controls',
    encoding: 0x2034,
    width: 64,
    default1: 0,
    mayBeZero: 0,
  },
  { word: 'exit', title: 'Primary VM-exit controls', encoding: 0x400c, width: 32, default1: 0x36dff, mayBeZero: 0x4 },
  { word: 'exit2', title: 'Secondary VM-exit controls', encoding: 0x2044, width: 64, default1: 0, mayBeZero: 0 },
  { word: 'entry', title: 'VM-entry controls', encoding: 0x4012, width: 32, default1: 0x11ff, mayBeZero: 0x4 },
  { word: 'vmfunc', title: 'VM-function controls', encoding: 0x2018, width: 64, default1: 0, mayBeZero: 0 },
  { word: 'exceptions', title: 'Exception bitmap', encoding: 0x4004, width: 32, default1: 0, mayBeZero: 0 },
];

export const CONTROL_BITS: readonly ControlBit[] = (Object.keys(WORDS) as ControlWord[]).flatMap((word) =>
  WORDS[word].map((row): ControlBit => {
    const [bit, key, name, description] = row;
    return { word, bit, key: `${word}.${key}` as ControlKey, name, description, implemented: row.length > 4 };
  }),
);

const byKey = new Map(CONTROL_BITS.map((control) => [control.key, control]));
const byWord = new Map(CONTROL_WORDS.map((info) => [info.word, info]));

/** The bit a key names. */
export function control(key: ControlKey): ControlBit {
  const found = byKey.get(key);
  if (found === undefined) throw new Error(`no control ${key}`);
  return found;
}

export function controlWord(word: ControlWord): ControlWordInfo {
  const found = byWord.get(word);
  if (found === undefined) throw new Error(`no control word ${word}`);
  return found;
}

/** The word held by a VMCS field, or undefined where the field is no control word. */
export function controlWordAt(encoding: number): ControlWordInfo | undefined {
  return CONTROL_WORDS.find((info) => info.encoding === encoding);
}

export function controlsOf(word: ControlWord): readonly ControlBit[] {
  return CONTROL_BITS.filter((bit) => bit.word === word);
}

/** Mask of a 32-bit word's control, as an unsigned number. */
export function controlMask(key: ControlKey): number {
  return 2 ** control(key).bit;
}

/** Mask of all bits of a word whose 1-setting the machine implements. */
export function implementedMask(word: ControlWord): bigint {
  return controlsOf(word).reduce((mask, bit) => (bit.implemented ? mask | (1n << BigInt(bit.bit)) : mask), 0n);
}

/** The 1-bits of a word in words: '"HLT exiting", bit 5'. Bits of the default1 class that have no name are left out. */
export function describeControls(word: ControlWord, value: bigint): string {
  const { default1 } = controlWord(word);
  const parts: string[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if (((value >> BigInt(bit)) & 1n) === 0n) continue;
    const named = CONTROL_BITS.find((row) => row.word === word && row.bit === bit);
    if (named !== undefined) parts.push(`"${named.name}"`);
    else if (bit > 31 || ((default1 >>> bit) & 1) === 0) parts.push(`bit ${bit}`);
  }
  return parts.join(', ');
}
