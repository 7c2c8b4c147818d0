import { LAYOUT, STATE, STATE_SIZE, viewOf, DF } from './case';
import type { Random } from './random';
import { fillStack, flavourFor, randomMxcsr, randomX87Words, VectorValues } from './values';

export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RBX = 3;
export const RSP = 4;
export const RBP = 5;
export const RSI = 6;
export const RDI = 7;

/** An address in the initialised data: often across the pages' border, now and then beyond the end. */
export function dataAddress(random: Random): bigint {
  if (random.oneIn(8)) return BigInt(LAYOUT.edge + random.below(LAYOUT.edgeSize + 8));
  if (random.oneIn(4)) return BigInt(LAYOUT.crossing + LAYOUT.crossingSize / 2 - random.below(16));
  return BigInt(LAYOUT.crossing + 16 + random.below(LAYOUT.crossingSize - 48));
}

/** The state a snippet starts from, while it is being put together: views of its parts. */
export class Draft {
  readonly state = new Uint8Array(STATE_SIZE);
  readonly gpr = new BigUint64Array(this.state.buffer, STATE.gpr, 16);
  readonly crossing = this.state.subarray(STATE.crossing, STATE.crossing + LAYOUT.crossingSize);
  readonly edge = this.state.subarray(STATE.edge, STATE.edge + LAYOUT.edgeSize);
  readonly area = this.state.subarray(STATE.area, STATE.area + LAYOUT.areaSize);
  readonly vectors: VectorValues;

  /** Random values everywhere, of a kind that suits the instruction; vector and x87 state only where it counts. */
  constructor(
    private readonly random: Random,
    mnemonic: string,
    vectors: boolean,
    x87: boolean,
  ) {
    const { state, gpr } = this;
    for (let r = 0; r < 16; r++) gpr[r] = random.interesting();
    gpr[RSP] = dataAddress(random);
    this.vectors = new VectorValues(random, flavourFor(random, mnemonic));
    if (vectors) {
      for (let n = 0; n < 16; n++) this.vectors.fill(this.vector(n));
      this.vectors.fill(this.crossing);
      this.vectors.fill(this.edge);
    } else {
      this.crossing.set(random.bytes(LAYOUT.crossingSize));
      this.edge.set(random.bytes(LAYOUT.edgeSize));
    }
    const view = viewOf(state);
    view.setUint32(STATE.flags, (random.u32() & 0x8d5) | (random.oneIn(3) ? DF : 0), true);
    view.setUint32(STATE.mxcsr, vectors ? randomMxcsr(random) : 0x1f80, true);
    view.setUint16(STATE.fcw, 0x37f, true);
    if (!x87) return;
    const words = randomX87Words(random);
    view.setUint16(STATE.fcw, words.control, true);
    view.setUint16(STATE.fsw, words.status, true);
    state[STATE.ftw] = words.tag;
    fillStack(random, state.subarray(STATE.st, STATE.st + 128), this.vectors, vectors);
  }

  /** A register's 32 bytes. */
  vector(number: number): Uint8Array {
    return this.state.subarray(STATE.ymm + number * 32, STATE.ymm + number * 32 + 32);
  }

  get flags(): number {
    return viewOf(this.state).getUint32(STATE.flags, true);
  }

  /** An image for FXRSTOR and XRSTOR at the start of the area: random, but for what may not be. */
  fillArea(): void {
    const { area, random } = this;
    for (let at = 0; at < area.length; at += 32) this.vectors.fill(area.subarray(at, at + 32));
    const view = viewOf(area);
    const words = randomX87Words(random);
    for (let at = 0; at < area.length; at += 64) {
      if (at % 512 !== 0 && at > 128) continue;
      view.setUint16(at, words.control, true);
      view.setUint16(at + 2, words.status, true);
      view.setUint16(at + 4, words.tag, true);
      view.setUint32(at + 24, random.oneIn(20) ? random.u32() : randomMxcsr(random), true);
    }
    // The XSAVE header of an image at the area's start.
    area.fill(0, 512, 576);
    area[512] = random.below(8);
    if (random.oneIn(3)) {
      area[520] = 7;
      area[527] = 0x80;
    }
    // Bit 62 is no component's, whatever components the host has.
    if (random.oneIn(20)) area[random.pick([519, 527])] |= 0x40;
    if (random.oneIn(30)) area[528 + random.below(48)] = 1;
  }
}
