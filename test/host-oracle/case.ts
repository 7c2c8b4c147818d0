/** A case is a snippet of machine code with the state it starts from; an outcome is the state it leaves. */

/** Where the harness puts things; `harness.c` has the same figures. */
export const LAYOUT = {
  /** Address of the snippet's first byte, in the middle of a page of INT3; no sum of data addresses and powers of two. */
  snippet: 0x1765_0800,
  /** Two pages of data; before and after them nothing is mapped. GS points to the first. */
  data: 0x1000_0000,
  dataSize: 8192,
  /** Initialised part of the data around the border of the two pages, and its size. */
  crossing: 0x1000_0000 + 4096 - 128,
  crossingSize: 256,
  /** Initialised part at the end of the data. */
  edge: 0x1000_0000 + 8192 - 128,
  edgeSize: 128,
  maxCode: 31,
} as const;

export interface Case {
  readonly code: Uint8Array;
  /** 16 registers in encoding order. */
  readonly gpr: BigUint64Array;
  readonly flags: number;
  readonly crossing: Uint8Array;
  readonly edge: Uint8Array;
}

/** How a snippet ended: at a RIP it went to, or with an exception of the instruction at that RIP. */
export type Ending = 'ran' | '#DE' | '#UD' | 'access fault';

export interface Outcome {
  readonly ending: Ending;
  readonly rip: bigint;
  readonly gpr: BigUint64Array;
  /** The six arithmetic flags and DF. */
  readonly flags: number;
  readonly crossing: Uint8Array;
  readonly edge: Uint8Array;
}

export const DF = 0x400;
/** CF, PF, AF, ZF, SF, OF and DF. */
export const COMPARED_FLAGS = 0xcd5;
