import { ACCESS } from '../codegen/exits';
import { raise, VECTOR } from '../cpu/faults';
import { type Processor, SEG } from '../cpu/processor';
import {
  CONTROL,
  FLAGS,
  INLINE,
  MACHINE,
  MSRS,
  PKRU,
  PSEUDO,
  RAM_BASE,
  SCRATCH,
  SEGMENT,
  SEGMENTS,
  SEGMENT_SIZE,
} from '../state/layout';
import { type MachineMemory, PAGE } from '../state/memory';
import { fromWords, highWord, lowWord } from '../state/words';
import { CR0, CR4, EFER, RFLAGS } from '../tables/control-registers';
import { KIND, permits } from './access-rights';
import { fromBounce, isRamPage, toBounce } from './bounce';
import {
  isCanonicalAccess,
  linearBitsOf,
  maskHigh,
  type MaskShift,
  supervisorMaskShift,
  userMaskShift,
} from './canonical';
import { type LinearWatch, WatchedPages } from './data-watch';
import { InlineMaps } from './inline-maps';
import type { Mmu, PcidInvalidation } from './mmu';
import { segmentLinear } from './segmentation';
import { Tlb, TLB, type TlbContext } from './tlb';
import { PageWalker } from './walk';

type Size = 1 | 2 | 4 | 8;

/** Bits of CR4 that distinguish translation contexts. */
const CR4_CONTEXT = CR4.PAE | CR4.PSE | CR4.SMEP | CR4.SMAP | CR4.PGE | CR4.LA57 | CR4.PKE | CR4.PKS | CR4.LAM_SUP;
/** What else does, in places that those bits leave free. */
const CONTEXT = {
  PG: 1,
  WP: 2,
  LMA: 4,
  NXE: 8,
  ALIGNMENT: 0x40,
  USER: 0x100,
  /** RFLAGS.AC, where it counts. */
  AC: 0x200,
  WATCHING: 0x400,
  LAM_U48: 0x800,
  LAM_U57: 0x2000,
} as const;
/** CR3 bits 62:61, LAM_U48 and LAM_U57, in its high word. */
const LAM_USER = 0x6000_0000;

/**
 * Memory as instructions see it: linear addresses translated with all checks, through the architectural TLB; the inline maps
 * filled on the way. A modify that crosses pages or meets a device goes through SCRATCH.bounce and `commitModify`.
 */
export class MemoryAccess implements Mmu {
  /** Who is told of accesses to pages with an armed data breakpoint. */
  watch: LinearWatch | undefined;

  private readonly memory: MachineMemory;
  private readonly walker: PageWalker;
  private readonly tlb: Tlb;
  private readonly maps: InlineMaps;
  private readonly watched: WatchedPages;
  private readonly context: TlbContext = { vpid: 0, pcid: 0, eptpLow: 0, eptpHigh: 0 };
  private eptp = 0n;
  private paged = false;
  private linearBits: 48 | 57 = 48;
  /** High word of the last 4 GBytes of the lower canonical half: below it no access reaches a non-canonical address. */
  private lowerHalfTop = 0x7fff;
  /** Linear-address masking of user and supervisor pointers. */
  private maskUser: MaskShift = 0;
  private maskSupervisor: MaskShift = 0;
  /** Supervisor and user kinds of the present privilege. */
  private userKind = 0;
  /** User accesses must be aligned: CPL = 3, CR0.AM and RFLAGS.AC. The inline maps, which do not look, stay empty. */
  private alignment = false;
  /** An armed data breakpoint asks to be told of accesses. */
  private watching = false;
  /** The access under way as `prepare` left it: linear address as two words, and that of the second page of a crossing one. */
  private low = 0;
  private high = 0;
  private nextLow = 0;
  private nextHigh = 0;
  /** The modify that `commitModify` completes: two physical ranges, the second empty unless pages were crossed. */
  private readonly modify = { first: 0, firstLength: 0, second: 0, secondLength: 0 };

  constructor(private readonly cpu: Processor) {
    this.memory = cpu.memory;
    this.walker = new PageWalker(cpu);
    this.maps = new InlineMaps(cpu.memory);
    this.watched = new WatchedPages(cpu.memory);
    this.tlb = new Tlb(cpu.memory, (low) => this.maps.dropLinear(low));
  }

  // Translation

  /** Physical address of a linear one; raises #PF or makes an EPT exit. */
  private translate(low: number, high: number, kind: number): number {
    const { tlb, context, cpu } = this;
    const offset = low & 0xfff;
    if (this.paged) {
      const entry = tlb.find(low, high, context);
      if (entry >= 0) {
        const flags = tlb.flags(entry);
        if (((kind & KIND.WRITE) === 0 || (flags & TLB.DIRTY) !== 0) && permits(cpu, flags, tlb.key(entry), kind)) {
          return tlb.frame(entry) * 4096 + offset;
        }
        // A fault invalidates the translation it is about; another one replaces it.
        tlb.drop(entry);
      }
    }
    const { frame, flags, key, shift } = this.walker.walk(low, high, kind);
    if (this.paged) {
      const pinned = this.memory.u64[PSEUDO.RIP_PAGE >> 3] + cpu.base(SEG.CS);
      tlb.insert(low, high, context, frame, flags, key, shift, lowWord(pinned), highWord(pinned));
    }
    return frame * 4096 + offset;
  }

  /** Whether the last access may be answered inline from now on. */
  private mayFill(): boolean {
    return !this.alignment && !(this.watching && this.watched.holds(this.low, this.high));
  }

  /** The entry is of the address as the instruction has it, with what LAM masks. */
  private fillLoad(high: number, physical: number): void {
    const page = physical - (physical & 0xfff);
    if ((this.memory.pages[page >>> 12] & PAGE.WATCHED) !== 0 || !this.mayFill()) return;
    this.maps.fill(INLINE.load, this.low, this.cpu.longMode ? high : 0, page);
  }

  private fillStore(high: number, physical: number): void {
    const page = physical - (physical & 0xfff);
    if ((this.memory.pages[page >>> 12] & (PAGE.CODE | PAGE.WATCHED | PAGE.DIRTY)) !== PAGE.DIRTY) return;
    if (this.mayFill()) this.maps.fill(INLINE.store, this.low, this.cpu.longMode ? high : 0, page);
  }

  /**
   * Splits a linear address into `low` and `high`, masked as LAM has it, and `nextLow` and `nextHigh` of the next page. Raises #GP(0) or
   * #SS(0) unless all of the access is canonical, and #AC(0).
   * @returns the bytes in the first page
   */
  private prepare(linear: bigint, size: number, stack: boolean, kind: number): number {
    return this.prepareWords(lowWord(linear), highWord(linear), size, stack, kind);
  }

  private prepareWords(low: number, high: number, size: number, stack: boolean, kind: number): number {
    this.low = low;
    this.high = 0;
    if (this.cpu.longMode) {
      this.high = high;
      const shift = this.high < 0x8000_0000 ? this.maskUser : this.maskSupervisor;
      if ((shift !== 0 && (kind & KIND.FETCH) === 0) || this.high >= this.lowerHalfTop) {
        this.checkCanonical(kind & KIND.FETCH ? 0 : shift, size, stack);
      }
    }
    if (
      this.alignment &&
      size <= 8 &&
      (this.low & (size - 1)) !== 0 &&
      (kind & (KIND.USER | KIND.FETCH)) === KIND.USER
    ) {
      raise(VECTOR.AC, 0);
    }
    const within = 4096 - (this.low & 0xfff);
    if (within >= size) return size;
    this.nextLow = ((this.low & ~0xfff) + 4096) >>> 0;
    // Outside 64-bit mode programs' addresses wrap at 4 GBytes; descriptor tables may lie above.
    const wraps = this.high === 0 && !this.cpu.is64Bit;
    this.nextHigh = wraps ? 0 : (this.high + (this.nextLow === 0 ? 1 : 0)) >>> 0;
    return within;
  }

  private checkCanonical(shift: MaskShift, size: number, stack: boolean): void {
    const masked = maskHigh(this.high, shift);
    if (masked !== undefined) {
      this.high = masked;
      if (isCanonicalAccess(this.low, masked, size, this.linearBits)) return;
    }
    raise(stack ? VECTOR.SS : VECTOR.GP, 0);
  }

  /** Tells of an access of the address under way, which nothing prevents any more. */
  private tellWatch(size: number, first: number, write: boolean): void {
    const { watched, low, high } = this;
    if (!watched.holds(low, high) && !(first < size && watched.holds(this.nextLow, this.nextHigh))) return;
    this.watch?.accessed(fromWords(low, high), size, write);
  }

  // What the interpreter calls where its inline maps do not answer

  /**
   * Host address of the data at a linear address, or of SCRATCH.bounce after copying it there.
   * @param meta ACCESS bits and size in bytes
   */
  slowLoad(linear: bigint, meta: number): number {
    const stack = (meta & ACCESS.STACK) !== 0;
    return this.load(lowWord(linear), highWord(linear), meta & ACCESS.SIZE_MASK, stack, this.userKind, true);
  }

  private load(low: number, high: number, size: number, stack: boolean, kind: number, fill: boolean): number {
    const { cpu } = this;
    const first = this.prepareWords(low, high, size, stack, kind);
    const physical = this.translate(this.low, this.high, kind);
    const second = first < size ? this.translate(this.nextLow, this.nextHigh, kind) : 0;
    if (this.watching) this.tellWatch(size, first, false);
    if (first === size && isRamPage(cpu, physical)) {
      if (fill) this.fillLoad(high, physical);
      return RAM_BASE + physical;
    }
    toBounce(cpu, 0, physical, first);
    if (first < size) toBounce(cpu, first, second, size - first);
    return SCRATCH.bounce;
  }

  /** Stores the low bytes of `value`: both pages of a crossing access are checked before either is written. */
  slowStore(linear: bigint, value: bigint, meta: number): void {
    this.store(linear, value, meta & ACCESS.SIZE_MASK, (meta & ACCESS.STACK) !== 0, this.userKind, true);
  }

  private store(linear: bigint, value: bigint, size: number, stack: boolean, kind: number, fill: boolean): void {
    const { cpu } = this;
    const first = this.prepare(linear, size, stack, kind);
    const physical = this.translate(this.low, this.high, kind | KIND.WRITE);
    const second = first < size ? this.translate(this.nextLow, this.nextHigh, kind | KIND.WRITE) : 0;
    if (this.watching) this.tellWatch(size, first, true);
    this.memory.view.setBigUint64(SCRATCH.bounce, BigInt.asUintN(64, value), true);
    fromBounce(cpu, 0, physical, first);
    fromBounce(cpu, first, second, size - first);
    if (fill && first === size && isRamPage(cpu, physical)) this.fillStore(highWord(linear), physical);
  }

  /**
   * Host address to read and write the operand at, or SCRATCH.bounce holding it; then `commitModify` must follow once the new
   * value is in the buffer.
   */
  slowModify(linear: bigint, meta: number): number {
    const { cpu } = this;
    const size = meta & ACCESS.SIZE_MASK;
    const kind = this.userKind | KIND.WRITE;
    const first = this.prepare(linear, size, (meta & ACCESS.STACK) !== 0, kind);
    const physical = this.translate(this.low, this.high, kind);
    const second = first < size ? this.translate(this.nextLow, this.nextHigh, kind) : 0;
    if (this.watching) this.tellWatch(size, first, true);
    if (
      first === size &&
      isRamPage(cpu, physical) &&
      (this.memory.pages[physical >>> 12] & (PAGE.CODE | PAGE.WATCHED)) === 0
    ) {
      this.memory.beforeWrite(physical, size);
      this.fillStore(highWord(linear), physical);
      return RAM_BASE + physical;
    }
    if ((meta & ACCESS.BLIND) === 0) {
      toBounce(cpu, 0, physical, first);
      if (first < size) toBounce(cpu, first, second, size - first);
    }
    const { modify } = this;
    modify.first = physical;
    modify.firstLength = first;
    modify.second = second;
    modify.secondLength = size - first;
    return SCRATCH.bounce;
  }

  /** Completes the last `slowModify` that answered with the bounce buffer. */
  commitModify(): void {
    const { first, firstLength, second, secondLength } = this.modify;
    fromBounce(this.cpu, 0, first, firstLength);
    fromBounce(this.cpu, firstLength, second, secondLength);
  }

  /** Physical address of code at a linear address; -1 where it is not RAM. */
  fetchPhysical(linear: bigint): number {
    const kind = this.userKind | KIND.FETCH;
    this.prepare(linear, 1, false, kind);
    const physical = this.translate(this.low, this.high, kind);
    if (!isRamPage(this.cpu, physical)) return -1;
    this.maps.touch(this.low);
    return physical;
  }

  // Mmu

  read(linear: bigint, size: Size): bigint {
    return this.value(this.load(lowWord(linear), highWord(linear), size, false, this.userKind, true), size);
  }
  loadPhysical(linear: bigint): number {
    const host = this.load(lowWord(linear), highWord(linear), 1, false, this.userKind, false);
    return host === SCRATCH.bounce ? -1 : host - RAM_BASE;
  }
  readSystem(linear: bigint, size: Size): bigint {
    return this.value(this.loadSystem(lowWord(linear), highWord(linear), size), size);
  }
  loadSystem(low: number, high: number, size: number): number {
    return this.load(low, high, size, false, KIND.IMPLICIT, false);
  }
  loadPage(low: number, high: number, size: number): number {
    if (this.watching || this.alignment) return 0;
    const { userKind, cpu } = this;
    if (this.prepareWords(low, high, size, false, userKind) < size) return 0;
    const physical = this.translate(this.low, this.high, userKind);
    if (!isRamPage(cpu, physical)) return 0;
    this.fillLoad(high, physical);
    return RAM_BASE + physical;
  }
  storePage(low: number, high: number, size: number, first: number, user: boolean): number {
    if (this.watching || this.alignment) return 0;
    const { cpu } = this;
    const mode = user ? KIND.USER : 0;
    if (this.prepareWords(low, high, size, false, mode | KIND.WRITE) < size) return 0;
    const physical = this.translate(this.low + first, this.high, mode | KIND.WRITE) - first;
    if (!isRamPage(cpu, physical)) return 0;
    this.memory.beforeWrite(physical, size);
    if (mode === this.userKind) this.fillStore(high, physical);
    return RAM_BASE + physical;
  }
  private value(host: number, size: Size): bigint {
    const { view } = this.memory;
    if (size === 8) return view.getBigUint64(host, true);
    if (size === 4) return BigInt(view.getUint32(host, true));
    return BigInt(size === 2 ? view.getUint16(host, true) : view.getUint8(host));
  }
  write(linear: bigint, size: Size, value: bigint): void {
    this.store(linear, value, size, false, this.userKind, true);
  }
  writeSystem(linear: bigint, size: Size, value: bigint): void {
    this.store(linear, value, size, false, KIND.IMPLICIT, false);
  }
  probeWrite(linear: bigint, size: number): void {
    this.probe(lowWord(linear), highWord(linear), size, this.userKind | KIND.WRITE);
  }
  /** As `probeWrite`, at a privilege level still to be entered (a gate's new stack). */
  probeWriteAs(low: number, high: number, size: number, user: boolean): void {
    this.probe(low, high, size, KIND.WRITE | (user ? KIND.USER : 0));
  }
  private probe(low: number, high: number, size: number, kind: number): void {
    const first = this.prepareWords(low, high, size, false, kind);
    this.translate(this.low, this.high, kind);
    if (first < size) this.translate(this.nextLow, this.nextHigh, kind);
  }

  linear(segment: number, offset: bigint, size: number, write: boolean, addressSize: 2 | 4 | 8): bigint {
    return segmentLinear(this.cpu, segment, offset, size, write, addressSize);
  }

  // Invalidation

  invalidatePage(linear: bigint): void {
    const { vpid, pcid } = this.context;
    this.tlb.invalidatePage(lowWord(linear), highWord(linear), vpid, pcid);
    this.maps.dropLinear((lowWord(linear) & ~0xfff) >>> 0);
  }
  flush(global: boolean): void {
    const { vpid, pcid } = this.context;
    if (global) this.tlb.flushVpid(vpid);
    else this.tlb.flushLocal(vpid, pcid, (this.cpu.field32(CONTROL.cr4) & CR4.PCIDE) === 0);
    this.maps.dropVpid(vpid);
  }
  invalidatePcid(type: PcidInvalidation, pcid: number, linear: bigint): void {
    const { tlb } = this;
    const { vpid } = this.context;
    switch (type) {
      case 'address':
        tlb.invalidateLocalPage(lowWord(linear), highWord(linear), vpid, pcid);
        this.maps.dropLinear((lowWord(linear) & ~0xfff) >>> 0);
        return;
      case 'context':
        tlb.flushLocal(vpid, pcid, false);
        break;
      case 'all':
        tlb.flushVpid(vpid);
        break;
      case 'all-but-global':
        tlb.flushLocal(vpid, 0, true);
    }
    this.maps.dropVpid(vpid);
  }
  flushVpid(vpid: number | undefined): void {
    this.tlb.flushVpid(vpid);
    this.maps.dropVpid(vpid);
  }
  flushEpt(eptp: bigint | undefined): void {
    this.tlb.flushEpt(eptp === undefined ? undefined : lowWord(eptp), eptp === undefined ? 0 : highWord(eptp));
    this.maps.dropVpid(undefined);
  }

  contextChanged(): void {
    const { cpu, memory, context } = this;
    const { u32 } = memory;
    const cr0 = u32[CONTROL.cr0 >> 2];
    const cr3High = u32[(CONTROL.cr3 + 4) >> 2];
    const cr4 = u32[CONTROL.cr4 >> 2];
    const efer = u32[CONTROL.efer >> 2];
    const ac = (u32[FLAGS.system >> 2] & RFLAGS.AC) !== 0;
    const user = ((u32[(SEGMENTS + SEG.SS * SEGMENT_SIZE + SEGMENT.access) >> 2] >> 5) & 3) === 3;
    const { vpid, eptp, ept } = cpu.vmx;
    this.userKind = user ? KIND.USER : 0;
    this.alignment = ac && user && (cr0 & CR0.AM) !== 0;
    this.paged = ept || (cr0 & CR0.PG) !== 0;
    this.linearBits = linearBitsOf(cr4);
    this.lowerHalfTop = this.linearBits === 48 ? 0x7fff : 0xff_ffff;
    this.maskUser = userMaskShift(cr3High);
    this.maskSupervisor = supervisorMaskShift(cr4);
    context.vpid = vpid;
    context.pcid = cr4 & CR4.PCIDE ? u32[CONTROL.cr3 >> 2] & 0xfff : 0;
    if (eptp !== this.eptp) {
      this.eptp = eptp;
      context.eptpLow = lowWord(eptp);
      context.eptpHigh = highWord(eptp);
    }
    this.watching = this.watch !== undefined && this.watched.armed;
    if (this.watching && this.watched.update()) this.maps.dropVpid(undefined);
    const flags =
      (cr4 & CR4_CONTEXT) |
      (cr0 & CR0.PG ? CONTEXT.PG : 0) |
      (cr0 & CR0.WP ? CONTEXT.WP : 0) |
      (efer & EFER.LMA ? CONTEXT.LMA : 0) |
      (efer & EFER.NXE ? CONTEXT.NXE : 0) |
      (user ? CONTEXT.USER : 0) |
      (ac && (cr4 & CR4.SMAP) !== 0 ? CONTEXT.AC : 0) |
      (this.alignment ? CONTEXT.ALIGNMENT : 0) |
      (this.watching ? CONTEXT.WATCHING : 0) |
      (cr3High & LAM_USER ? (this.maskUser === 7 ? CONTEXT.LAM_U57 : CONTEXT.LAM_U48) : 0);
    const userKeys = cr4 & CR4.PKE ? u32[PKRU >> 2] : 0;
    const supervisorKeys = cr4 & CR4.PKS ? u32[MSRS.pkrs >> 2] : 0;
    this.maps.select(u32[MACHINE.activeProcessor >> 2], flags, vpid, context.pcid, eptp, userKeys, supervisorKeys);
  }

  // Evictions asked for by the code cache, the debugger and snapshots

  /** A physical page became WATCHED (or stopped being RAM): neither loads nor stores may be inline. */
  evictPhysical(page: number): void {
    this.maps.dropPhysical(page, true);
  }
  /** A physical page became CODE. */
  evictStores(page: number): void {
    this.maps.dropPhysical(page, false);
  }
  /** All DIRTY bits were cleared. */
  evictAllStores(): void {
    this.maps.dropStores();
  }
  /** Drops all inline entries: state was replaced, or device ranges moved. */
  dropInline(): void {
    this.maps.dropAll();
    this.contextChanged();
  }
}
