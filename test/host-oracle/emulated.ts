import { HANDLER } from '../../emulator/codegen/handlers';
import { EXIT } from '../../emulator/codegen/exits';
import { generateInterpreter, instantiateInterpreter, type RunFunction } from '../../emulator/codegen/interpreter';
import { PENDING_KIND, VECTOR } from '../../emulator/cpu/faults';
import { Decoder } from '../../emulator/decode/decoder';
import { writeEaRecord, writeRecord } from '../../emulator/decode/encode-record';
import { RECORD, RECORD_SIZE } from '../../emulator/decode/record';
import { SHAPES, endsBlock } from '../../emulator/decode/shapes';
import { SEMANTICS } from '../../emulator/semantics/index';
import { readArithmeticFlags, writeArithmeticFlags } from '../../emulator/semantics/flags';
import {
  CODE_CACHE,
  EMPTY_TAG,
  FLAGS,
  GPR,
  INLINE,
  PENDING,
  PSEUDO,
  RAM_BASE,
  RIP,
  SCRATCH,
  SEGMENT,
  SEGMENTS,
  SEGMENT_SIZE,
} from '../../emulator/state/layout';
import { MachineMemory } from '../../emulator/state/memory';
import { INSTRUCTIONS } from '../../emulator/tables/instructions';
import { DF, LAYOUT, type Case, type Ending, type Outcome } from './case';

const RAM_SIZE = 0x1_0000;
const MODE = { codeSize: 64, stackSize: 8, flat: true } as const;
const GS = 5;
const RIP_PAGE = LAYOUT.snippet & ~0xfff;
const BUDGET = 1000;

/** Which way data accesses take: the inline map's, or the one through the host. */
export type AccessPath = 'inline' | 'slow';

/** The generated interpreter and the decoder over a flat address space that holds only what the harness maps. */
export class EmulatedProcessor {
  private readonly memory = new MachineMemory(RAM_SIZE);
  private readonly decoder = new Decoder();
  private readonly run: RunFunction;

  constructor() {
    const access = (linear: bigint, meta: number): number => {
      const size = meta & 0x7f;
      const offset = BigInt.asUintN(64, linear) - BigInt(LAYOUT.data);
      return offset >= 0n && offset + BigInt(size) <= BigInt(LAYOUT.dataSize) ? RAM_BASE + Number(offset) : 0;
    };
    const { view } = this.memory;
    const store = (linear: bigint, value: bigint, meta: number): number => {
      const host = access(linear, meta);
      if (host === 0) return 1;
      for (let i = 0; i < (meta & 0x7f); i++) view.setUint8(host + i, Number((value >> BigInt(i * 8)) & 0xffn));
      return 0;
    };
    this.run = instantiateInterpreter(new WebAssembly.Module(generateInterpreter(SHAPES, SEMANTICS)), this.memory, {
      slowLoad: access,
      slowStore: store,
      slowModify: access,
      commitModify: () => 0,
      linear: (segment, offset) => BigInt.asIntN(64, offset + (segment === GS ? BigInt(LAYOUT.data) : 0n)),
      cold: () => EXIT.FAULT,
      crossing: () => EXIT.NONE,
    });
    this.emptyMaps();
    view.setBigUint64(SEGMENTS + GS * SEGMENT_SIZE + SEGMENT.base, BigInt(LAYOUT.data), true);
    view.setBigInt64(SCRATCH.ripMask, -1n, true);
    view.setBigUint64(PSEUDO.RIP_PAGE, BigInt(RIP_PAGE), true);
  }

  /** Empties the inline maps. */
  private emptyMaps(): void {
    for (const map of [INLINE.load, INLINE.store, INLINE.code]) {
      for (let i = 0; i < INLINE.entries; i++) {
        this.memory.view.setBigUint64(map + i * INLINE.entrySize, EMPTY_TAG, true);
      }
    }
  }

  /** Puts the data's pages into the inline maps of loads and stores, or takes them out. */
  private mapData(path: AccessPath): void {
    const { view } = this.memory;
    for (const map of [INLINE.load, INLINE.store]) {
      for (let page = LAYOUT.data; page < LAYOUT.data + LAYOUT.dataSize; page += 4096) {
        const entry = map + ((page >>> 12) & (INLINE.entries - 1)) * INLINE.entrySize;
        view.setBigUint64(entry, path === 'slow' ? EMPTY_TAG : BigInt(page), true);
        view.setInt32(entry + 8, (RAM_BASE - LAYOUT.data) | 0, true);
      }
    }
  }

  /** Decodes the snippet into one block that a stop mark ends; returns the offset of an undefined instruction. */
  private decode(code: Uint8Array): number | undefined {
    const { view, u8 } = this.memory;
    const bytes = new Uint8Array(code.length + 16).fill(0xcc);
    bytes.set(code);
    const start = LAYOUT.snippet & 0xfff;
    let at = 0;
    let count = 0;
    let host: number = CODE_CACHE;
    let undefinedAt: number | undefined;
    while (at < code.length) {
      if (this.decoder.decode(bytes, at, bytes.length - at, MODE).kind !== 'ok') {
        undefinedAt = at;
        break;
      }
      const { decoded } = this.decoder;
      const fields = { offset: start + at, before: count, count: count + 1 };
      if (decoded.ea) {
        writeEaRecord(view, host, decoded, HANDLER.FIRST + decoded.eaIndex, fields);
        host += RECORD_SIZE;
      }
      writeRecord(view, host, decoded, HANDLER.FIRST + decoded.shapeIndex, fields);
      host += RECORD_SIZE;
      at += decoded.length;
      count++;
      if (endsBlock(INSTRUCTIONS[decoded.row])) break;
    }
    u8.fill(0, host, host + RECORD_SIZE);
    view.setUint16(host + RECORD.handler, HANDLER.STOP, true);
    view.setUint16(host + RECORD.offset, start + at, true);
    view.setUint16(host + RECORD.before, count, true);
    return undefinedAt;
  }

  private runToEnd(): Ending {
    const { view } = this.memory;
    const exit = this.run(CODE_CACHE, BUDGET);
    switch (exit) {
      case EXIT.STEPPED:
      case EXIT.LOOKUP:
        return 'ran';
      case EXIT.FAULT: {
        const isRaised = view.getUint32(PENDING.kind, true) === PENDING_KIND.EXCEPTION;
        return isRaised && view.getUint32(PENDING.vector, true) === VECTOR.DE ? '#DE' : 'access fault';
      }
      default:
        throw new Error(`the interpreter left with ${exit}`);
    }
  }

  execute(input: Case, path: AccessPath): Outcome {
    const { view, u8 } = this.memory;
    u8.fill(0, RAM_BASE, RAM_BASE + LAYOUT.dataSize);
    const window = (address: number): number => RAM_BASE + address - LAYOUT.data;
    u8.set(input.crossing, window(LAYOUT.crossing));
    u8.set(input.edge, window(LAYOUT.edge));
    input.gpr.forEach((value, n) => view.setBigUint64(GPR + n * 8, value, true));
    writeArithmeticFlags(this.memory, input.flags);
    view.setUint32(FLAGS.system, 0x202 | (input.flags & DF), true);
    view.setBigUint64(RIP, BigInt(LAYOUT.snippet), true);
    // An access that faults leaves it so here.
    view.setUint32(PENDING.kind, 0, true);
    this.mapData(path);
    const undefinedAt = this.decode(input.code);
    const ran = this.runToEnd();
    const rip = view.getBigUint64(RIP, true);
    const isUndefined = undefinedAt !== undefined && rip === BigInt(LAYOUT.snippet + undefinedAt);
    const ending = ran === 'ran' && isUndefined ? '#UD' : ran;
    return {
      ending,
      rip,
      gpr: BigUint64Array.from({ length: 16 }, (_, n) => view.getBigUint64(GPR + n * 8, true)),
      flags: readArithmeticFlags(this.memory) | (view.getUint32(FLAGS.system, true) & DF),
      crossing: u8.slice(window(LAYOUT.crossing), window(LAYOUT.crossing) + LAYOUT.crossingSize),
      edge: u8.slice(window(LAYOUT.edge), window(LAYOUT.edge) + LAYOUT.edgeSize),
    };
  }
}
