import type { LayerState, SegmentState } from '../api';
import type { SegmentName } from '../state/layout';
import type { MachineMemory } from '../state/memory';
import { type AddressSpace, peekLinear, peekPhysical, type PeekTranslate } from '../mmu/peek';
import type { ControlName, RegisterImage } from './register-image';
import { parseRegisterName } from './register-names';
import { unitRegister } from './unit-registers';

const PAGE_SIZE = 4096;
const LONG_MODE = 0x400n;
const CS_LONG = 0x2000n;
const CS_DEFAULT_BIG = 0x4000n;

/** A layer's state over whatever holds its registers. Reads have no side effect on the machine. */
export class ImageState implements LayerState {
  constructor(
    private readonly memory: MachineMemory,
    private readonly image: RegisterImage,
    private readonly throughEpt: PeekTranslate,
  ) {}

  get rip(): bigint {
    return this.image.control('RIP');
  }
  get rflags(): bigint {
    return this.image.control('RFLAGS');
  }
  gpr(number: number): bigint {
    return this.image.gpr(number);
  }
  segment(name: SegmentName): SegmentState {
    const { image } = this;
    return {
      selector: Number(image.segment(name, 'selector')),
      base: image.segment(name, 'base'),
      limit: Number(image.segment(name, 'limit')),
      access: Number(image.segment(name, 'access')),
    };
  }
  private table(name: 'GDTR' | 'IDTR'): { readonly base: bigint; readonly limit: number } {
    return { base: this.image.table(name, 'base'), limit: Number(this.image.table(name, 'limit')) };
  }
  get gdtr(): { readonly base: bigint; readonly limit: number } {
    return this.table('GDTR');
  }
  get idtr(): { readonly base: bigint; readonly limit: number } {
    return this.table('IDTR');
  }
  control(name: Exclude<ControlName, 'RIP' | 'RFLAGS'>): bigint {
    return this.image.control(name);
  }
  unit(name: string): bigint | undefined {
    const register = unitRegister(name);
    return register && this.image.unit(register);
  }
  get codeSize(): 16 | 32 | 64 {
    const access = this.image.segment('CS', 'access');
    if ((this.image.control('EFER') & LONG_MODE) !== 0n && (access & CS_LONG) !== 0n) return 64;
    return (access & CS_DEFAULT_BIG) !== 0n ? 32 : 16;
  }
  get eptp(): bigint | undefined {
    return this.image.eptp;
  }

  setRegister(name: string, value: bigint): string | undefined {
    const register = parseRegisterName(name);
    if (register === undefined) return `There is no register ${name}.`;
    const bits = register.kind === 'segment' ? SEGMENT_BITS[register.part] : register.bits;
    if (BigInt.asUintN(bits, value) !== value && BigInt.asIntN(bits, value) !== value) {
      return `${name} has ${bits} bits; ${value < 0n ? '' : '0x'}${value.toString(value < 0n ? 10 : 16)} does not fit.`;
    }
    const unsigned = BigInt.asUintN(bits, value);
    if (register.kind === 'gpr') {
      this.setGpr(register.number, register.shift, register.bits, unsigned);
      return undefined;
    }
    if (register.kind === 'unit') return this.image.setUnit(register.register, unsigned);
    return register.kind === 'control'
      ? this.image.setControl(register.name, unsigned)
      : this.image.setSegment(register.name, register.part, unsigned);
  }

  private setGpr(number: number, shift: number, bits: number, value: bigint): void {
    if (bits >= 32) {
      this.image.setGpr(number, value);
      return;
    }
    const mask = ((1n << BigInt(bits)) - 1n) << BigInt(shift);
    this.image.setGpr(number, (this.image.gpr(number) & ~mask) | (value << BigInt(shift)));
  }

  private get space(): AddressSpace {
    const { image } = this;
    return {
      cr0: image.control('CR0'),
      cr3: image.control('CR3'),
      cr4: image.control('CR4'),
      efer: image.control('EFER'),
      eptp: image.eptp,
    };
  }

  translate(linear: bigint): { readonly layerPhysical: bigint; readonly physical: bigint } | undefined {
    return peekLinear(this.memory, this.space, this.throughEpt, linear);
  }

  peek(linear: bigint, length: number): Uint8Array {
    return this.gather(linear, length, (at) => this.translate(at)?.physical);
  }

  peekPhysical(physical: bigint, length: number): Uint8Array {
    return this.gather(physical, length, (at) => peekPhysical(this.space, this.throughEpt, at));
  }

  poke(linear: bigint, bytes: Uint8Array): number {
    let done = 0;
    while (done < bytes.length) {
      const at = BigInt.asUintN(64, linear + BigInt(done));
      const room = PAGE_SIZE - Number(at & 0xfffn);
      const part = bytes.subarray(done, done + room);
      const physical = this.translate(at)?.physical;
      if (physical === undefined || !this.memory.isRam(Number(physical), part.length)) break;
      this.memory.writeBytes(Number(physical), part);
      done += part.length;
    }
    return done;
  }

  /** Bytes page by page, up to the first page that is not mapped to RAM. */
  private gather(start: bigint, length: number, find: (at: bigint) => bigint | undefined): Uint8Array {
    const parts: Uint8Array[] = [];
    let done = 0;
    while (done < length) {
      const at = BigInt.asUintN(64, start + BigInt(done));
      const room = Math.min(length - done, PAGE_SIZE - Number(at & 0xfffn));
      const physical = find(at);
      if (physical === undefined || !this.memory.isRam(Number(physical), room)) break;
      parts.push(this.memory.readBytes(Number(physical), room));
      done += room;
    }
    return parts.length === 1 ? parts[0] : concatenate(parts, done);
  }
}

const SEGMENT_BITS = { selector: 16, base: 64, limit: 32, access: 32 } as const;

function concatenate(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
