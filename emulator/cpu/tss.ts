/** Where a task-state segment keeps what; offsets in bytes. SDM "32-Bit Task-State Segment" and "16-Bit Task-State Segment Format". */
export interface TssLayout {
  /** Width of registers. */
  readonly size: 2 | 4;
  /** Least limit of the segment. */
  readonly lastByte: number;
  readonly cr3: number | undefined;
  readonly eip: number;
  readonly eflags: number;
  /** eAX to eDI by encoding number. */
  readonly registers: number;
  /** ES, CS, SS, DS and in a 32-bit TSS FS and GS. */
  readonly selectors: number;
  readonly segments: 4 | 6;
  readonly ldt: number;
  /** The word whose bit 0 is the T flag. */
  readonly trap: number | undefined;
  /** What a task switch saves, from here to before there. */
  readonly savedStart: number;
  readonly savedEnd: number;
}

export const TSS32: TssLayout = {
  size: 4,
  lastByte: 0x67,
  cr3: 0x1c,
  eip: 0x20,
  eflags: 0x24,
  registers: 0x28,
  selectors: 0x48,
  segments: 6,
  ldt: 0x60,
  trap: 0x64,
  savedStart: 0x20,
  savedEnd: 0x5e,
};

export const TSS16: TssLayout = {
  size: 2,
  lastByte: 0x2b,
  cr3: undefined,
  eip: 0x0e,
  eflags: 0x10,
  registers: 0x12,
  selectors: 0x22,
  segments: 4,
  ldt: 0x2a,
  trap: undefined,
  savedStart: 0x0e,
  savedEnd: 0x2a,
};
