import { ACCESS } from '../codegen/exits';
import { raise, VECTOR } from '../cpu/faults';
import { type Processor, SEG } from '../cpu/processor';
import {
  CONTROL,
  FLAGS,
  INLINE,
  MACHINE,
  PSEUDO,
  RAM_BASE,
  SCRATCH,
  SEGMENT,
  SEGMENTS,
  SEGMENT_SIZE,
} from '../state/layout';
import { type MachineMemory, PAGE } from '../state/memory';
import { CR0, CR4, EFER, RFLAGS } from '../tables/control-registers';
import { isCanonicalAccess } from './canonical';
import { InlineMaps } from './inline-maps';
import type { Mmu } from './mmu';
import { segmentLinear } from './segmentation';
import { Tlb, TLB, type TlbContext } from './tlb';
import { KIND, PageWalker, permits } from './walk';

type Size = 1 | 2 | 4 | 8;

const low32 = (value: bigint): number => Number(BigInt.asUintN(32, value));
const high32 = (value: bigint): number => Number(BigInt.asUintN(32, value >> 32n));

/** Paging bits that distinguish translation contexts, gathered into one number by `contextChanged`. */
const CR4_CONTEXT = CR4.PAE | CR4.PSE | CR4.SMEP | CR4.SMAP | CR4.PGE;

/**
 * Memory as instructions see it: linear addresses translated with all checks, through the architectural TLB; the inline maps
 * filled on the way. A modify that crosses pages or meets a device goes through SCRATCH.bounce and `commitModify`.
 */
export class MemoryAccess implements Mmu {
  private readonly memory: MachineMemory;
  private readonly walker: PageWalker;
  private readonly tlb: Tlb;
  private readonly maps: InlineMaps;
  private readonly context: TlbContext = { vpid: 0, pcid: 0, eptpLow: 0, eptpHigh: 0 };
  private eptp = 0n;
  private paged = false;
  /** High word of the last 4 GBytes of the lower canonical half: below it no access reaches a non-canonical address. */
  private readonly lowerHalfTop: number;
  /** Supervisor and user kinds of the present privilege. */
  private userKind = 0;
  /** Linear address as two words, the second of a crossing access behind it. */
  private nextLow = 0;
  private nextHigh = 0;
  /** The modify that `commitModify` completes: two physical ranges, the second empty unless pages were crossed. */
  private readonly modify = { first: 0, firstLength: 0, second: 0, secondLength: 0 };

  constructor(private readonly cpu: Processor) {
    this.memory = cpu.memory;
    this.lowerHalfTop = 2 ** (cpu.model.linearBits - 33) - 1;
    this.walker = new PageWalker(cpu);
    this.maps = new InlineMaps(cpu.memory);
    this.tlb = new Tlb(cpu.memory, (low, high) => this.maps.dropLinear(low, high));
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
        if (((kind & KIND.WRITE) === 0 || (flags & TLB.DIRTY) !== 0) && permits(cpu, flags, kind)) {
          return tlb.frame(entry) * 4096 + offset;
        }
      }
    }
    const { frame, flags, shift } = this.walker.walk(low, high, kind);
    if (this.paged) {
      const pinned = BigInt.asUintN(64, this.memory.u64[PSEUDO.RIP_PAGE >> 3] + cpu.base(SEG.CS));
      tlb.insert(low, high, context, frame, flags, shift, low32(pinned), high32(pinned));
    }
    return frame * 4096 + offset;
  }

  /** Whether a store to the translation just used may be done inline from now on. */
  private isRamPage(physical: number): boolean {
    const page = physical - (physical % 4096);
    return this.memory.isRam(page, 4096) && !this.cpu.bus.claims(page / 4096);
  }

  private fillLoad(low: number, high: number, physical: number): void {
    const page = physical - (physical & 0xfff);
    if ((this.memory.pages[page >>> 12] & PAGE.WATCHED) === 0) this.maps.fill(INLINE.load, low, high, page);
  }

  private fillStore(low: number, high: number, physical: number): void {
    const page = physical - (physical & 0xfff);
    if ((this.memory.pages[page >>> 12] & (PAGE.CODE | PAGE.WATCHED | PAGE.DIRTY)) !== PAGE.DIRTY) return;
    this.maps.fill(INLINE.store, low, high, page);
  }

  /** Raises #GP(0) or #SS(0) unless all of the access is canonical. */
  private checkCanonical(linear: bigint, size: number, stack: boolean): void {
    if (isCanonicalAccess(linear, size, this.cpu.model.linearBits)) return;
    raise(stack ? VECTOR.SS : VECTOR.GP, 0);
  }

  /** Splits and checks a linear address; sets up the next page's. Returns the bytes in the first page. */
  private prepare(linear: bigint, size: number, stack: boolean): number {
    let address = BigInt.asUintN(64, linear);
    const long = this.cpu.longMode;
    if (!long) address &= 0xffff_ffffn;
    else if (high32(address) >= this.lowerHalfTop) this.checkCanonical(address, size, stack);
    const within = 4096 - (low32(address) & 0xfff);
    if (within < size) {
      const next = address + BigInt(within);
      this.nextLow = low32(next);
      // Outside 64-bit mode addresses wrap at 4 GBytes.
      this.nextHigh = this.cpu.is64Bit ? high32(next) : 0;
      return within;
    }
    return size;
  }

  // What the interpreter calls where its inline maps do not answer

  /**
   * Host address of the data at a linear address, or of SCRATCH.bounce after copying it there.
   * @param meta ACCESS bits and size in bytes
   */
  slowLoad(linear: bigint, meta: number): number {
    return this.load(linear, meta & ACCESS.SIZE_MASK, (meta & ACCESS.STACK) !== 0, this.userKind, true);
  }

  private load(linear: bigint, size: number, stack: boolean, kind: number, fill: boolean): number {
    const first = this.prepare(linear, size, stack);
    const low = low32(linear);
    const high = this.cpu.longMode ? high32(linear) : 0;
    const physical = this.translate(low, high, kind);
    if (first === size) {
      if (this.isRamPage(physical)) {
        if (fill) this.fillLoad(low, high, physical);
        return RAM_BASE + physical;
      }
      this.toBounce(0, physical, size);
      return SCRATCH.bounce;
    }
    const second = this.translate(this.nextLow, this.nextHigh, kind);
    this.toBounce(0, physical, first);
    this.toBounce(first, second, size - first);
    return SCRATCH.bounce;
  }

  /** Copies physical memory within one page to the bounce buffer. */
  private toBounce(offset: number, physical: number, length: number): void {
    const { u8, view } = this.memory;
    const at = SCRATCH.bounce + offset;
    if (this.isRamPage(physical)) u8.copyWithin(at, RAM_BASE + physical, RAM_BASE + physical + length);
    else if (length === 16) {
      this.toBounce(offset, physical, 8);
      this.toBounce(offset + 8, physical + 8, 8);
    } else {
      const value = this.readDevice(physical, length);
      for (let i = 0; i < length; i++) view.setUint8(at + i, Number((value >> BigInt(8 * i)) & 0xffn));
    }
  }

  private readDevice(physical: number, length: number): bigint {
    if (length === 1 || length === 2 || length === 4 || length === 8) return this.cpu.bus.read(physical, length);
    let value = 0n;
    for (let i = 0; i < length; i++) value |= this.cpu.bus.read(physical + i, 1) << BigInt(8 * i);
    return value;
  }

  /** Copies from the bounce buffer to physical memory within one page. */
  private fromBounce(offset: number, physical: number, length: number): void {
    if (length === 0) return;
    const { u8, view, memory } = { u8: this.memory.u8, view: this.memory.view, memory: this.memory };
    const at = SCRATCH.bounce + offset;
    if (this.isRamPage(physical)) {
      memory.beforeWrite(physical, length);
      u8.copyWithin(RAM_BASE + physical, at, at + length);
      return;
    }
    if (length === 4 || length === 2) {
      this.cpu.bus.write(physical, length, BigInt(length === 4 ? view.getUint32(at, true) : view.getUint16(at, true)));
    } else if (length % 8 === 0) {
      for (let i = 0; i < length; i += 8) this.cpu.bus.write(physical + i, 8, view.getBigUint64(at + i, true));
    } else {
      for (let i = 0; i < length; i++) this.cpu.bus.write(physical + i, 1, BigInt(u8[at + i]));
    }
  }

  /** Stores the low bytes of `value`: both pages of a crossing access are checked before either is written. */
  slowStore(linear: bigint, value: bigint, meta: number): void {
    this.store(linear, value, meta & ACCESS.SIZE_MASK, (meta & ACCESS.STACK) !== 0, this.userKind, true);
  }

  private store(linear: bigint, value: bigint, size: number, stack: boolean, kind: number, fill: boolean): void {
    const first = this.prepare(linear, size, stack);
    const low = low32(linear);
    const high = this.cpu.longMode ? high32(linear) : 0;
    const physical = this.translate(low, high, kind | KIND.WRITE);
    const second = first < size ? this.translate(this.nextLow, this.nextHigh, kind | KIND.WRITE) : 0;
    this.memory.view.setBigUint64(SCRATCH.bounce, BigInt.asUintN(64, value), true);
    this.fromBounce(0, physical, first);
    this.fromBounce(first, second, size - first);
    if (fill && first === size && this.isRamPage(physical)) this.fillStore(low, high, physical);
  }

  /**
   * Host address to read and write the operand at, or SCRATCH.bounce holding it; then `commitModify` must follow once the new
   * value is in the buffer.
   */
  slowModify(linear: bigint, meta: number): number {
    const size = meta & ACCESS.SIZE_MASK;
    const first = this.prepare(linear, size, (meta & ACCESS.STACK) !== 0);
    const low = low32(linear);
    const high = this.cpu.longMode ? high32(linear) : 0;
    const kind = this.userKind | KIND.WRITE;
    const physical = this.translate(low, high, kind);
    const second = first < size ? this.translate(this.nextLow, this.nextHigh, kind) : 0;
    if (
      first === size &&
      this.isRamPage(physical) &&
      (this.memory.pages[physical >>> 12] & (PAGE.CODE | PAGE.WATCHED)) === 0
    ) {
      this.memory.beforeWrite(physical, size);
      this.fillStore(low, high, physical);
      return RAM_BASE + physical;
    }
    this.toBounce(0, physical, first);
    if (first < size) this.toBounce(first, second, size - first);
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
    this.fromBounce(0, first, firstLength);
    this.fromBounce(firstLength, second, secondLength);
  }

  /** Physical address of code at a linear address; -1 where it is not RAM. */
  fetchPhysical(linear: bigint): number {
    this.prepare(linear, 1, false);
    const low = low32(linear);
    const high = this.cpu.longMode ? high32(linear) : 0;
    const physical = this.translate(low, high, this.userKind | KIND.FETCH);
    if (!this.isRamPage(physical)) return -1;
    this.maps.touch(low);
    return physical;
  }

  // Mmu

  read(linear: bigint, size: Size): bigint {
    return this.value(this.load(linear, size, false, this.userKind, true), size);
  }
  readSystem(linear: bigint, size: Size): bigint {
    return this.value(this.load(linear, size, false, KIND.IMPLICIT, false), size);
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
    this.probe(linear, size, this.userKind | KIND.WRITE);
  }
  /** As `probeWrite`, at a privilege level still to be entered (a gate's new stack). */
  probeWriteAs(linear: bigint, size: number, user: boolean): void {
    this.probe(linear, size, KIND.WRITE | (user ? KIND.USER : 0));
  }
  private probe(linear: bigint, size: number, kind: number): void {
    const first = this.prepare(linear, size, false);
    this.translate(low32(linear), this.cpu.longMode ? high32(linear) : 0, kind);
    if (first < size) this.translate(this.nextLow, this.nextHigh, kind);
  }

  linear(segment: number, offset: bigint, size: number, write: boolean, addressSize: 2 | 4 | 8): bigint {
    return segmentLinear(this.cpu, segment, offset, size, write, addressSize);
  }

  // Invalidation

  invalidatePage(linear: bigint): void {
    const { vpid, pcid } = this.context;
    this.tlb.invalidatePage(low32(linear), high32(linear), vpid, pcid);
    this.maps.dropLinear((low32(linear) & ~0xfff) >>> 0, high32(linear));
  }
  flush(global: boolean): void {
    const { vpid, pcid } = this.context;
    if (global) this.tlb.flushVpid(vpid);
    else this.tlb.flushLocal(vpid, pcid, (this.cpu.field32(CONTROL.cr4) & CR4.PCIDE) === 0);
    this.maps.dropVpid(vpid);
  }
  flushVpid(vpid: number | undefined): void {
    this.tlb.flushVpid(vpid);
    this.maps.dropVpid(vpid);
  }
  flushEpt(eptp: bigint | undefined): void {
    this.tlb.flushEpt(eptp === undefined ? undefined : low32(eptp), eptp === undefined ? 0 : high32(eptp));
    this.maps.dropVpid(undefined);
  }

  contextChanged(): void {
    const { cpu, memory, context } = this;
    const { u32 } = memory;
    const cr0 = u32[CONTROL.cr0 >> 2];
    const cr4 = u32[CONTROL.cr4 >> 2];
    const efer = u32[CONTROL.efer >> 2];
    const user = ((u32[(SEGMENTS + SEG.SS * SEGMENT_SIZE + SEGMENT.access) >> 2] >> 5) & 3) === 3;
    const { vpid, eptp, ept } = cpu.vmx;
    this.userKind = user ? KIND.USER : 0;
    this.paged = ept || (cr0 & CR0.PG) !== 0;
    context.vpid = vpid;
    context.pcid = cr4 & CR4.PCIDE ? u32[CONTROL.cr3 >> 2] & 0xfff : 0;
    if (eptp !== this.eptp) {
      this.eptp = eptp;
      context.eptpLow = low32(eptp);
      context.eptpHigh = high32(eptp);
    }
    // Bits that are free in CR4 (0, 16 and up but SMEP, SMAP) take the ones of the other registers.
    const flags =
      (cr4 & CR4_CONTEXT) |
      (cr0 & CR0.PG ? 1 : 0) |
      (cr0 & CR0.WP ? 2 : 0) |
      (efer & EFER.LMA ? 4 : 0) |
      (efer & EFER.NXE ? 8 : 0) |
      (user ? 0x100 : 0) |
      ((cr4 & CR4.SMAP) !== 0 && (u32[FLAGS.system >> 2] & RFLAGS.AC) !== 0 ? 0x200 : 0);
    this.maps.select(u32[MACHINE.activeProcessor >> 2], flags, vpid, context.pcid, eptp);
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
