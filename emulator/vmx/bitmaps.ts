import type { Processor } from '../cpu/processor';
import { AT } from './vmcs';
import type { VmxContext } from './vmx-context';

/** Bit of a bitmap at a physical address; 1 outside RAM, where reads give all ones. */
function bitAt({ memory }: Processor, bitmap: number, bit: number): boolean {
  const byte = bitmap + (bit >>> 3);
  return !memory.isRam(byte) || ((memory.u8[memory.host(byte)] >>> (bit & 7)) & 1) === 1;
}

/**
 * Whether IN or OUT to `size` ports from `port` exits. With I/O bitmaps, bitmap A holds ports 0 to 7FFFH and B the others; an
 * access that wraps around port FFFFH always exits.
 */
export function ioBitmapExits({ cpu, vmcs }: VmxContext, port: number, size: number): boolean {
  if (!vmcs.on('primary.USE_IO_BITMAPS')) return vmcs.on('primary.UNCONDITIONAL_IO_EXITING');
  if (port + size > 0x1_0000) return true;
  for (let at = port; at < port + size; at++) {
    const bitmap = Number(vmcs.get(at < 0x8000 ? AT.IO_BITMAP_A : AT.IO_BITMAP_B));
    if (bitAt(cpu, bitmap, at & 0x7fff)) return true;
  }
  return false;
}

/** The four parts of the MSR bitmaps, 1 KByte each. */
const MSR_BITMAP = { readLow: 0, readHigh: 0x400, writeLow: 0x800, writeHigh: 0xc00 } as const;
const MSRS_PER_BITMAP = 0x2000;
const FIRST_HIGH_MSR = 0xc000_0000;

export function msrBitmapExits({ cpu, vmcs }: VmxContext, index: number, write: boolean): boolean {
  if (!vmcs.on('primary.USE_MSR_BITMAPS')) return true;
  const bitmap = Number(vmcs.get(AT.MSR_BITMAP));
  if (index < MSRS_PER_BITMAP) return bitAt(cpu, bitmap + (write ? MSR_BITMAP.writeLow : MSR_BITMAP.readLow), index);
  const high = index - FIRST_HIGH_MSR;
  if (high < 0 || high >= MSRS_PER_BITMAP) return true;
  return bitAt(cpu, bitmap + (write ? MSR_BITMAP.writeHigh : MSR_BITMAP.readHigh), high);
}
