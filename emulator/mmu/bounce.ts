import type { Processor } from '../cpu/processor';
import { RAM_BASE, SCRATCH } from '../state/layout';

type Chunk = 1 | 2 | 4 | 8;

/** The largest access a bus makes of the first of `length` bytes. */
const chunkOf = (length: number): Chunk => (length >= 8 ? 8 : length >= 4 ? 4 : length >= 2 ? 2 : 1);

/** Whether a physical address lies in a page of RAM that no device claims. */
export function isRamPage({ memory, bus }: Processor, physical: number): boolean {
  const page = physical - (physical % 4096);
  return memory.isRam(page, 4096) && !bus.claims(page / 4096);
}

/** Copies physical memory, of one page, to `SCRATCH.bounce + offset`; devices are read 8 bytes at a time and the rest in halves. */
export function toBounce(cpu: Processor, offset: number, physical: number, length: number): void {
  const { u8, view } = cpu.memory;
  const at = SCRATCH.bounce + offset;
  if (isRamPage(cpu, physical)) {
    u8.copyWithin(at, RAM_BASE + physical, RAM_BASE + physical + length);
    return;
  }
  for (let done = 0; done < length;) {
    const chunk = chunkOf(length - done);
    const value = cpu.bus.read(physical + done, chunk);
    if (chunk === 8) view.setBigUint64(at + done, value, true);
    else for (let i = 0; i < chunk; i++) view.setUint8(at + done + i, Number((value >> BigInt(8 * i)) & 0xffn));
    done += chunk;
  }
}

/** Copies from `SCRATCH.bounce + offset` to physical memory of one page, devices as `toBounce`. */
export function fromBounce(cpu: Processor, offset: number, physical: number, length: number): void {
  if (length === 0) return;
  const { memory } = cpu;
  const { u8, view } = memory;
  const at = SCRATCH.bounce + offset;
  if (isRamPage(cpu, physical)) {
    memory.beforeWrite(physical, length);
    u8.copyWithin(RAM_BASE + physical, at, at + length);
    return;
  }
  for (let done = 0; done < length;) {
    const chunk = chunkOf(length - done);
    let value = 0n;
    if (chunk === 8) value = view.getBigUint64(at + done, true);
    else for (let i = chunk - 1; i >= 0; i--) value = (value << 8n) | BigInt(u8[at + done + i]);
    cpu.bus.write(physical + done, chunk, value);
    done += chunk;
  }
}
