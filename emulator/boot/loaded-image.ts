import { ACPI_BASE, acpiTables, WAKING_VECTOR } from './acpi-tables';
import type { Processor } from '../cpu/processor';
import { SEG } from '../cpu/processor';
import { firmwareArea } from './firmware-area';
import { BOUNDARY, CONTROL, DESCRIPTOR_TABLES, RAM_BASE } from '../state/layout';

/** A load that has been checked as a whole, and not yet made. */
export interface LoadedImage {
  /** What was recognised: 'Multiboot ELF32', 'flat binary', ... */
  readonly format: string;
  /** RAM contents, none overlapping another, all within RAM. */
  readonly pieces: readonly Piece[];
  readonly entry: EntryState;
  /** The image comes by way of a PC's boot loader, to which firmware has handed over with its timer interrupt on. */
  readonly bootLoader?: boolean;
}

/** Bytes at a physical address, followed by zeros up to `length`. */
export interface Piece {
  readonly what: string;
  readonly physical: number;
  readonly length: number;
  readonly bytes: Uint8Array;
}

/** Processor state at the first instruction: flat segments, interrupts off. */
export interface EntryState {
  readonly mode: 16 | 32 | 64;
  readonly rip: number;
  readonly rax: number;
  readonly rbx: number;
  readonly rsp: number;
  /** Physical address and limit of the descriptor table the segments were taken from. */
  readonly gdt: { readonly base: number; readonly limit: number };
  /** Page tables for 64-bit mode, or 0. */
  readonly cr3: number;
}

export type LoadResult =
  { readonly ok: true; readonly image: LoadedImage } | { readonly ok: false; readonly error: string };

/** Descriptors at selectors 0x08 (32-bit code), 0x10 (data), 0x18 (64-bit code). */
export const BOOT_GDT = [0n, 0x00cf_9b00_0000_ffffn, 0x00cf_9300_0000_ffffn, 0x00af_9b00_0000_ffffn] as const;
const SELECTOR = { code32: 0x08, data: 0x10, code64: 0x18 } as const;
/** Access rights in the VMCS format. */
const ACCESS = {
  code16: 0x009b,
  data16: 0x0093,
  code32: 0xc09b,
  data: 0xc093,
  code64: 0xa09b,
  tss: 0x008b,
  ldt: 0x0082,
} as const;

const CR0 = { PE: 0x1n, ET: 0x10n, PG: 0x8000_0000n } as const;
const CR4_PAE = 0x20n;
const EFER_LONG = 0x500n;

/** Puts firmware's tables and an image into a machine that has just been reset. The caller then lets the MMU take up the new control registers. */
export function placeImage(cpu: Processor, image: LoadedImage, processors = 1): void {
  const { memory } = cpu;
  const firmware = [...firmwareArea(), { physical: ACPI_BASE, bytes: acpiTables(processors) }];
  for (const { physical, bytes } of firmware) {
    if (memory.isRam(physical, bytes.length)) memory.writeBytes(physical, bytes);
  }
  for (const piece of image.pieces) {
    memory.writeBytes(piece.physical, piece.bytes);
    const rest = piece.length - piece.bytes.length;
    if (rest === 0) continue;
    const from = piece.physical + piece.bytes.length;
    memory.beforeWrite(from, rest);
    memory.u8.fill(0, RAM_BASE + from, RAM_BASE + from + rest);
  }
  enter(cpu, image.entry);
}

/** What firmware does after sleep, on a machine that has just been reset: it passes on to the guest's waking vector, in real mode. */
export function enterWakingVector(cpu: Processor): void {
  const vector = cpu.memory.read32(WAKING_VECTOR);
  cpu.rip = BigInt(vector & 15);
  cpu.setSegment(SEG.CS, (vector >>> 4) & 0xffff, BigInt(vector & 0xf_fff0), 0xffff, ACCESS.code16);
}

function enter(cpu: Processor, entry: EntryState): void {
  for (let register = 0; register < 16; register++) cpu.setGpr(register, 0n);
  cpu.setGpr(0, BigInt(entry.rax));
  cpu.setGpr(3, BigInt(entry.rbx));
  cpu.setGpr(4, BigInt(entry.rsp));
  cpu.rflags = 2;

  const paging = entry.mode === 64;
  cpu.setField(CONTROL.cr0, CR0.ET | (entry.mode === 16 ? 0n : CR0.PE) | (paging ? CR0.PG : 0n));
  cpu.setField(CONTROL.cr3, BigInt(entry.cr3));
  cpu.setField(CONTROL.cr4, paging ? CR4_PAE : 0n);
  cpu.setField(CONTROL.efer, paging ? EFER_LONG : 0n);

  if (entry.mode === 16) {
    const base = entry.rip > 0xffff ? entry.rip & ~0xf : 0;
    cpu.rip = BigInt(entry.rip - base);
    cpu.setSegment(SEG.CS, base >>> 4, BigInt(base), 0xffff, ACCESS.code16);
    for (const index of [SEG.ES, SEG.SS, SEG.DS, SEG.FS, SEG.GS]) cpu.setSegment(index, 0, 0n, 0xffff, ACCESS.data16);
  } else {
    cpu.rip = BigInt(entry.rip);
    const long = entry.mode === 64;
    cpu.setSegment(
      SEG.CS,
      long ? SELECTOR.code64 : SELECTOR.code32,
      0n,
      0xffff_ffff,
      long ? ACCESS.code64 : ACCESS.code32,
    );
    for (const index of [SEG.ES, SEG.SS, SEG.DS, SEG.FS, SEG.GS]) {
      cpu.setSegment(index, SELECTOR.data, 0n, 0xffff_ffff, ACCESS.data);
    }
  }
  cpu.setSegment(SEG.LDTR, 0, 0n, 0xffff, ACCESS.ldt);
  cpu.setSegment(SEG.TR, 0, 0n, 0xffff, ACCESS.tss);

  cpu.setField(DESCRIPTOR_TABLES.gdtrBase, BigInt(entry.gdt.base));
  cpu.setField32(DESCRIPTOR_TABLES.gdtrLimit, entry.gdt.limit);
  cpu.setField(DESCRIPTOR_TABLES.idtrBase, 0n);
  cpu.setField32(DESCRIPTOR_TABLES.idtrLimit, entry.mode === 16 ? 0x3ff : 0);
  cpu.setField32(BOUNDARY.activity, 0);
  cpu.setField32(BOUNDARY.interruptibility, 0);
}
