/**
 * The map of the machine's one WebAssembly memory.
 *
 * Everything the machine is lives here: processors, architectural TLBs, device registers, guest RAM.
 * `[STATE_START, STATE_END)` and RAM are *state*: snapshotted and hashed. What lies between, from 0x10_0000 to RAM_BASE, holds what can
 * be dropped at any time: the inline translation maps, decoded records, and the interpreter's scratch.
 *
 *     0x0000_0000  unused: a host address of 0 means "the access faulted"
 *     0x0000_1000  the active processor's window (8 KiB): registers, segments, control, MSRs, VMX
 *     0x0000_3000  machine-wide state: time, transition number
 *     0x0000_4000  layer table: what each guest context's registers were when it last rested
 *     0x0001_0000  parked windows of the processors that wait for their turn (8 x 8 KiB)
 *     0x0002_0000  device registers (64 KiB)
 *     0x0003_0000  architectural TLBs (8 x 64 KiB)
 *     0x0010_0000  caches
 *     0x0800_0000  guest RAM, physical address 0
 */

export const MAX_PROCESSORS = 8;

/** The widths a state field can have. */
export type FieldType = 'u8' | 'u16' | 'u32' | 'u64';

const WIDTH: Readonly<Record<FieldType, number>> = { u8: 1, u16: 2, u32: 4, u64: 8 };

/** Hands out addresses one after the other, each aligned to its width. */
class Allocator {
  constructor(
    private next: number,
    private readonly end: number,
  ) {}

  field(type: FieldType, count = 1): number {
    const width = WIDTH[type];
    const at = Math.ceil(this.next / width) * width;
    this.next = at + width * count;
    if (this.next > this.end) throw new Error(`state layout overflows at 0x${at.toString(16)}`);
    return at;
  }

  /** 16-byte units, aligned to their size. */
  vectors(count: number): number {
    this.next = Math.ceil(this.next / 16) * 16;
    return this.field('u64', count * 2);
  }
}

export const STATE_START = 0x1000;
export const CPU_WINDOW = 0x1000;
export const CPU_WINDOW_SIZE = 0x2000;

const cpu = new Allocator(CPU_WINDOW, CPU_WINDOW + 0x1000);

/** General registers in encoding order, 8 bytes each; a decoded record names a register by its byte address. */
export const GPR = cpu.field('u64', 16);

/** Pseudo registers a decoded record may name as base or index. */
export const PSEUDO = {
  /** Always 0: "no base", "no index". */
  ZERO: cpu.field('u64'),
  /** RIP of the first byte of the page that RIP is in, so that RIP = RIP_PAGE + a record's in-page offset. */
  RIP_PAGE: cpu.field('u64'),
  /** The linear address an `ea` prefix record computed for the record after it. */
  EA: cpu.field('u64'),
} as const;

/**
 * Lazy arithmetic flags, see `semantics/flags.ts`.
 * CF = a < b unsigned; ZF, SF and PF from r (sign-extended), each corrected by the deltas in kind.
 */
export const FLAGS = {
  kind: cpu.field('u32'),
  /** RFLAGS less the six arithmetic flags: bit 1, TF, IF, DF, IOPL, NT, RF, VM, AC, VIF, VIP, ID. */
  system: cpu.field('u32'),
  a: cpu.field('u64'),
  b: cpu.field('u64'),
  r: cpu.field('u64'),
} as const;

/** Vector registers YMM0 to YMM15, 32 bytes each, XMM in the low half; aligned to 16. */
export const YMM = cpu.vectors(32);
export const YMM_SIZE = 32;

/**
 * The x87 FPU as FXSAVE shows it: *physical* registers R0 to R7, 16 bytes each (significand u64, then sign and exponent
 * u16); ST(i) is R[(TOP + i) mod 8]; MMn is the significand of Rn. The tag word is the abridged one: bit n is 1 where Rn is not empty.
 */
export const X87 = {
  registers: cpu.vectors(8),
  control: cpu.field('u16'),
  status: cpu.field('u16'),
  tag: cpu.field('u16'),
  opcode: cpu.field('u16'),
  instructionPointer: cpu.field('u64'),
  dataPointer: cpu.field('u64'),
  instructionSelector: cpu.field('u16'),
  dataSelector: cpu.field('u16'),
} as const;
export const X87_REGISTER_SIZE = 16;

export const MXCSR = cpu.field('u32');
/** Protection-key rights of user pages. */
export const PKRU = cpu.field('u32');

/** RIP; current whenever the interpreter is not running (inside it, RIP_PAGE and the record say where it is). */
export const RIP = cpu.field('u64');

/** Segment registers in VMCS order. Access rights are in the VMCS format (bit 16 = unusable). */
export const SEGMENT_ORDER = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDTR', 'TR'] as const;
export type SegmentName = (typeof SEGMENT_ORDER)[number];
export const SEGMENT_SIZE = 24;
export const SEGMENTS = cpu.field('u64', (SEGMENT_ORDER.length * SEGMENT_SIZE) / 8);
/** Offsets inside a segment register's 24 bytes. */
export const SEGMENT = { base: 0, limit: 8, access: 12, selector: 16 } as const;

export const DESCRIPTOR_TABLES = {
  gdtrBase: cpu.field('u64'),
  idtrBase: cpu.field('u64'),
  gdtrLimit: cpu.field('u32'),
  idtrLimit: cpu.field('u32'),
} as const;

export const CONTROL = {
  cr0: cpu.field('u64'),
  cr2: cpu.field('u64'),
  cr3: cpu.field('u64'),
  cr4: cpu.field('u64'),
  xcr0: cpu.field('u64'),
  efer: cpu.field('u64'),
  dr: cpu.field('u64', 8),
  /** PDPTEs of PAE paging, as loaded. */
  pdpte: cpu.field('u64', 4),
} as const;

/** MSRs that are plain storage; the MSR table maps index to field. */
export const MSRS = {
  tscAdjust: cpu.field('u64'),
  featureControl: cpu.field('u64'),
  apicBase: cpu.field('u64'),
  sysenterCs: cpu.field('u64'),
  sysenterEsp: cpu.field('u64'),
  sysenterEip: cpu.field('u64'),
  pat: cpu.field('u64'),
  debugctl: cpu.field('u64'),
  star: cpu.field('u64'),
  lstar: cpu.field('u64'),
  cstar: cpu.field('u64'),
  fmask: cpu.field('u64'),
  kernelGsBase: cpu.field('u64'),
  tscAux: cpu.field('u64'),
  miscEnable: cpu.field('u64'),
  biosSignature: cpu.field('u64'),
  mtrrDefType: cpu.field('u64'),
  mtrrFixed: cpu.field('u64', 11),
  mtrrVariable: cpu.field('u64', 20),
  /** Protection-key rights of supervisor pages. */
  pkrs: cpu.field('u64'),
  xss: cpu.field('u64'),
  umwaitControl: cpu.field('u64'),
  specCtrl: cpu.field('u64'),
  energyBias: cpu.field('u64'),
  mcgStatus: cpu.field('u64'),
  /** Machine-check banks: CTL, STATUS, ADDR and MISC of each. */
  mcBanks: cpu.field('u64', 16),
} as const;

/** Performance monitoring, see `cpu/pmu.ts`. */
export const PMU = {
  /** 1 while a counter counts: otherwise nobody looks at any of this. */
  active: cpu.field('u32'),
  /** Bit per counter, as in IA32_PERF_GLOBAL_STATUS (fixed ones from bit 16): its condition held at the last instruction, for edge detection. */
  asserted: cpu.field('u32'),
  eventSelect: cpu.field('u64', 8),
  general: cpu.field('u64', 8),
  fixed: cpu.field('u64', 3),
  fixedControl: cpu.field('u64'),
  globalControl: cpu.field('u64'),
  globalStatus: cpu.field('u64'),
} as const;

/** What MONITOR, UMONITOR and the waits remember, see `cpu/waits.ts`. */
export const WAIT = {
  /** Physical address of the monitored line; all ones: none. */
  line: cpu.field('u64'),
  /** The line's bytes when monitoring began. */
  content: cpu.field('u64', 8),
  /** Machine time at which the wait ends by itself; all ones: never. */
  until: cpu.field('u64'),
  /** Bit 0: an interrupt ends the wait even while RFLAGS.IF = 0. Bit 1: the end at `until` is reported in CF. Bit 2: no line is waited for. */
  flags: cpu.field('u32'),
} as const;

/** What an instruction boundary looks at. */
export const BOUNDARY = {
  /** VMCS activity-state encoding: 0 active, 1 HLT, 2 shutdown, 3 wait-for-SIPI. */
  activity: cpu.field('u32'),
  /** VMCS interruptibility-state encoding: 0 STI, 1 MOV SS, 2 SMI, 3 NMI. */
  interruptibility: cpu.field('u32'),
  /** VMCS pending-debug-exceptions encoding. */
  pendingDebug: cpu.field('u64'),
  /** Edge-latched requests: bit 0 NMI, bit 1 INIT, bit 2 SIPI (vector in 15:8). */
  latched: cpu.field('u32'),
} as const;

export const VMX = {
  /** 0 outside VMX operation, 1 root, 2 non-root. */
  mode: cpu.field('u32'),
  /** Bit 0: current VMCS valid (the working copy at VMCS_WORKING is live). */
  flags: cpu.field('u32'),
  vmxonPointer: cpu.field('u64'),
  /** All ones: none. */
  currentVmcs: cpu.field('u64'),
  /** TSC offset in force (0 outside non-root operation). */
  tscOffset: cpu.field('u64'),
} as const;

/** The event the outer loop has to deliver; meaningful only right after the interpreter left with EXIT.FAULT. */
export const PENDING = {
  /** See `cpu/exceptions.ts`: 0 none, 1 exception, 2 a transition already made. */
  kind: cpu.field('u32'),
  vector: cpu.field('u32'),
  errorCode: cpu.field('u32'),
  /** 1 when errorCode is to be pushed. */
  hasErrorCode: cpu.field('u32'),
  /** CR2 for #PF, DR6 bits for #DB. */
  address: cpu.field('u64'),
} as const;

/** The decoded working copy of the current VMCS, in the same format as its region in memory (4 KiB). */
export const VMCS_WORKING = CPU_WINDOW + 0x1000;

const machine = new Allocator(0x3000, 0x4000);
export const MACHINE = {
  /** Instructions retired by all processors plus idle skips: the machine's only clock. */
  time: machine.field('u64'),
  /** Instructions actually retired (time less idle skips). */
  retired: machine.field('u64'),
  /** Number of the last VM entry or exit, from 1. */
  transitions: machine.field('u64'),
  activeProcessor: machine.field('u32'),
  /** Set once the guest has powered off: bit 31, exit status in 7:0. */
  poweredOff: machine.field('u32'),
  /** State of the seeded random source. */
  random: machine.field('u64', 4),
  /** Instructions left of the active processor's turn; 0: the turn is over. Of a machine with several processors. */
  turnLeft: machine.field('u32'),
} as const;

/** Layer table, see `vmx/layers.ts`. */
export const LAYER_TABLE = 0x4000;
export const LAYER_TABLE_SIZE = 0xc000;

export const PARKED_WINDOWS = 0x1_0000;
/** Device registers; `devices/` hands out slices. */
export const DEVICES = 0x2_0000;
export const DEVICES_SIZE = 0x1_0000;
export const TLB_STATE = 0x3_0000;
export const TLB_STATE_SIZE = 0x1_0000;
export const STATE_END = TLB_STATE + MAX_PROCESSORS * TLB_STATE_SIZE;

/**
 * Inline translation maps. An entry is 16 bytes: tag (linear page address, u64; EMPTY_TAG when empty), then
 * for loads and stores an i32 to add to the low 32 bits of a linear address to get its host address, and for
 * code the host address of the page's code-page structure.
 *
 * A bank belongs to one translation context (CR3, PCID, VPID, EPTP, user or supervisor, WP, ...).
 */
export const INLINE = {
  banks: 16,
  entries: 4096,
  entrySize: 16,
  load: 0x10_0000,
  store: 0x20_0000,
  code: 0x30_0000,
} as const;
export const INLINE_BANK_SIZE = INLINE.entries * INLINE.entrySize;
/** Byte offset of a linear address's entry in a bank. */
export const inlineOffset = (low: number): number => ((low >>> 12) & (INLINE.entries - 1)) * INLINE.entrySize;
/** Never equal to a page-aligned address. */
export const EMPTY_TAG = 0xffff_ffff_ffff_ffffn;

/** Interpreter scratch. */
export const SCRATCH = {
  /** Offset of the active bank inside each inline map: bank number x INLINE_BANK_SIZE (u32). */
  bank: 0x40_0000,
  /** Instruction budget left, valid when the interpreter has called out or left (i32). */
  budget: 0x40_0004,
  /** Record that was executing when the interpreter called out or left (u32). */
  record: 0x40_0008,
  /** 64-byte buffer a slow access goes through when it has no single host address. */
  bounce: 0x40_0040,
  /** The source operand of a vector instruction on its way to the instruction's assist (32 bytes). */
  source: 0x40_0080,
  /** Nonzero when the last `linear` call faulted (i32). */
  status: 0x40_0010,
  /** AND mask of RIP in the current mode: all ones in 64-bit mode, else 32 ones (u64). */
  ripMask: 0x40_0018,
  /** Linear address of CS offset 0 in the current mode (u64). */
  codeBase: 0x40_0028,
  /** Nonzero: REP instructions yield after each iteration, as they do when TF is set (u32). */
  oneRepeat: 0x40_0020,
  /** Room for three records: one instruction decoded to be executed alone, its `ea` record, and the end mark behind it. */
  single: 0x40_0100,
  /** A record that goes on at RIP. */
  resume: 0x40_0200,
} as const;

/** Code pages and decoded records are allocated upwards from here, and all dropped when it is full. */
export const CODE_CACHE = 0x48_0000;
export const RAM_BASE = 0x800_0000;

/** Largest guest RAM: what is left of 4 GiB, rounded down to a friendly figure. */
export const MAX_RAM = 3 * 0x4000_0000;
