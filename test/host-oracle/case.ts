/** A case is a snippet of machine code with the state it starts from; an outcome is the state it leaves. */

/** Where the harness puts things; `harness.c` has the same figures. */
export const LAYOUT = {
  /** Address of the snippet's first byte, in the middle of a page of INT3; no sum of data addresses and powers of two. */
  snippet: 0x1765_0800,
  /** Two pages of data; before and after them nothing is mapped. GS points to the first. */
  data: 0x1000_0000,
  dataSize: 8192,
  /** Initialised part at the start of the data, for what FXSAVE and XSAVE write; aligned to 64. */
  area: 0x1000_0000,
  areaSize: 1024,
  /** Initialised part of the data around the border of the two pages, and its size. */
  crossing: 0x1000_0000 + 4096 - 128,
  crossingSize: 256,
  /** Initialised part at the end of the data. */
  edge: 0x1000_0000 + 8192 - 128,
  edgeSize: 128,
  maxCode: 318,
} as const;

/** Bytes of a state, the same as `struct state` of `harness.c`. */
export const STATE_SIZE = 2224;

/** Offsets in a state. */
export const STATE = {
  /** 16 registers in encoding order, 8 bytes each. */
  gpr: 0,
  flags: 128,
  mxcsr: 136,
  fcw: 140,
  fsw: 142,
  /** Abridged: bit n is 1 where physical register n is not empty. */
  ftw: 144,
  fop: 146,
  fip: 152,
  fdp: 160,
  /** ST(0) to ST(7), 16 bytes each, of which 10 are used. */
  st: 176,
  /** YMM0 to YMM15, 32 bytes each. */
  ymm: 304,
  crossing: 816,
  edge: 1072,
  area: 1200,
} as const;

const GPR_NAMES = [
  'rax',
  'rcx',
  'rdx',
  'rbx',
  'rsp',
  'rbp',
  'rsi',
  'rdi',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
] as const;

/** A part of a state that a person names. */
export interface Field {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

const fields = (name: (n: number) => string, count: number, offset: number, stride: number, size: number): Field[] =>
  Array.from({ length: count }, (_, n) => ({ name: name(n), offset: offset + n * stride, size }));

const memory = (name: string, offset: number, size: number): Field[] =>
  fields((n) => `${name}+${(n * 16).toString(16)}`, size / 16, offset, 16, 16);

/** All of a state, in parts. */
export const FIELDS: readonly Field[] = [
  ...fields((n) => GPR_NAMES[n], 16, STATE.gpr, 8, 8),
  { name: 'rflags', offset: STATE.flags, size: 8 },
  { name: 'mxcsr', offset: STATE.mxcsr, size: 4 },
  { name: 'fcw', offset: STATE.fcw, size: 2 },
  { name: 'fsw', offset: STATE.fsw, size: 2 },
  { name: 'ftw', offset: STATE.ftw, size: 1 },
  { name: 'fop', offset: STATE.fop, size: 2 },
  { name: 'fip', offset: STATE.fip, size: 8 },
  { name: 'fdp', offset: STATE.fdp, size: 8 },
  ...fields((n) => `st${n}`, 8, STATE.st, 16, 10),
  ...fields((n) => `ymm${n}`, 16, STATE.ymm, 32, 32),
  ...memory('crossing', STATE.crossing, LAYOUT.crossingSize),
  ...memory('edge', STATE.edge, LAYOUT.edgeSize),
  ...memory('area', STATE.area, LAYOUT.areaSize),
];

export interface Case {
  readonly code: Uint8Array;
  readonly state: Uint8Array;
}

/** Vector of an outcome whose snippet ran to an INT3: that of #BP. */
export const RAN = 3;

export interface Outcome {
  /** What ended the snippet: #BP where it ran to its end, or where a transfer took it; else the exception of the instruction at RIP. */
  readonly vector: number;
  /** Of #GP and #PF. */
  readonly errorCode: number;
  /** Of #PF. */
  readonly cr2: bigint;
  readonly rip: bigint;
  readonly state: Uint8Array;
}

export const DF = 0x400;
export const AC = 0x4_0000;
/** CF, PF, AF, ZF, SF, OF, DF and AC. */
export const COMPARED_FLAGS = 0x4_0cd5;

export const viewOf = (state: Uint8Array): DataView => new DataView(state.buffer, state.byteOffset, state.byteLength);

const EXCEPTIONS: Readonly<Record<number, string>> = {
  0: '#DE',
  1: '#DB',
  3: 'ran',
  6: '#UD',
  7: '#NM',
  12: '#SS',
  13: '#GP',
  14: '#PF',
  16: '#MF',
  17: '#AC',
  19: '#XM',
};

/** How an outcome ended, as the SDM names it. */
export const endingOf = ({ vector }: Outcome): string => EXCEPTIONS[vector] ?? `vector ${vector}`;
