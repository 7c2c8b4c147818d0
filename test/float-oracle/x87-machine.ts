import { COLD } from '../../emulator/cpu/cold-table';
import { faultOf, longMode } from '../../emulator/cpu/processor.fixture';
import { RAX, RBX } from '../../emulator/cpu/registers';
import { DecodedRecord } from '../../emulator/decode/decoded-record';
import { Decoder } from '../../emulator/decode/decoder';
import { writeRecord } from '../../emulator/decode/encode-record';
import { MXCSR, PSEUDO, SCRATCH, X87, X87_REGISTER_SIZE } from '../../emulator/state/layout';
import { INSTRUCTIONS } from '../../emulator/tables/instructions';
import { CODE_ADDRESS, DATA_ADDRESS, type FloatCase, type FloatOutcome } from './host';

/** Where the data lies here; the host has it elsewhere, and FDP is moved accordingly. */
const DATA = 0x1_0000;
const SIGFPE = 8;
const MODE = { codeSize: 64, stackSize: 8, flat: true } as const;

/** The cold x87 instructions on a processor of their own, one snippet after the other. */
export class X87Machine {
  private readonly fixture = longMode();
  private readonly decoder = new Decoder();

  /** Runs a snippet of cold instructions up to the first fault. */
  run({ code, rax, state, data }: FloatCase): FloatOutcome {
    const { cpu, memory } = this.fixture;
    this.load(state);
    memory.writeBytes(DATA, data);
    cpu.setGpr(RAX, rax);
    cpu.setGpr(RBX, BigInt(DATA));
    cpu.rflags = 0x202;
    memory.u64[PSEUDO.RIP_PAGE >> 3] = BigInt(CODE_ADDRESS);
    const bytes = Uint8Array.from(code);
    let at = 0;
    let signal = 0;
    while (at < bytes.length && signal === 0) {
      const result = this.decoder.decode(bytes, at, bytes.length - at, MODE);
      if (result.kind !== 'ok') throw new Error(`${code.map((byte) => byte.toString(16)).join(' ')}: ${result.kind}`);
      const { decoded } = this.decoder;
      writeRecord(memory.view, SCRATCH.single, decoded, 0, { offset: at, before: 0, count: 1 });
      const record = new DecodedRecord(memory.view).at(SCRATCH.single);
      const { key } = INSTRUCTIONS[decoded.row].semantic;
      const fault = faultOf(() => COLD[key](cpu, record));
      if (fault === undefined) at += decoded.length;
      else if (fault.vector === 16) signal = SIGFPE;
      else throw new Error(`${key} raised vector ${fault.vector}`);
    }
    return {
      signal,
      rax: cpu.gpr(RAX),
      flags: cpu.rflags,
      rip: signal === 0 ? 0n : BigInt(CODE_ADDRESS + at),
      state: this.save(),
      data: memory.readBytes(DATA, data.length),
    };
  }

  private load(image: Uint8Array): void {
    const { view } = this.fixture.memory;
    const from = new DataView(image.buffer, image.byteOffset, image.length);
    const status = from.getUint16(2, true);
    const top = (status >> 11) & 7;
    view.setUint16(X87.control, from.getUint16(0, true), true);
    view.setUint16(X87.status, status, true);
    view.setUint16(X87.tag, from.getUint8(4), true);
    view.setUint16(X87.opcode, from.getUint16(6, true), true);
    view.setBigUint64(X87.instructionPointer, from.getBigUint64(8, true), true);
    view.setBigUint64(X87.dataPointer, from.getBigUint64(16, true), true);
    view.setUint16(X87.instructionSelector, 0, true);
    view.setUint16(X87.dataSelector, 0, true);
    view.setUint32(MXCSR, from.getUint32(24, true), true);
    for (let i = 0; i < 8; i++) {
      const at = X87.registers + ((top + i) & 7) * X87_REGISTER_SIZE;
      view.setBigUint64(at, from.getBigUint64(32 + i * 16, true), true);
      view.setUint16(at + 8, from.getUint16(40 + i * 16, true), true);
    }
  }

  private save(): Uint8Array {
    const { view } = this.fixture.memory;
    const image = new Uint8Array(512);
    const to = new DataView(image.buffer);
    const status = view.getUint16(X87.status, true);
    const top = (status >> 11) & 7;
    to.setUint16(0, view.getUint16(X87.control, true), true);
    to.setUint16(2, status, true);
    to.setUint16(4, view.getUint16(X87.tag, true), true);
    to.setUint16(6, view.getUint16(X87.opcode, true), true);
    to.setBigUint64(8, view.getBigUint64(X87.instructionPointer, true), true);
    const operand = view.getBigUint64(X87.dataPointer, true);
    const moved = operand >= BigInt(DATA) && operand < BigInt(DATA + 256);
    to.setBigUint64(16, moved ? operand - BigInt(DATA) + BigInt(DATA_ADDRESS) : operand, true);
    to.setUint32(24, view.getUint32(MXCSR, true), true);
    for (let i = 0; i < 8; i++) {
      const at = X87.registers + ((top + i) & 7) * X87_REGISTER_SIZE;
      to.setBigUint64(32 + i * 16, view.getBigUint64(at, true), true);
      to.setUint16(40 + i * 16, view.getUint16(at + 8, true), true);
    }
    return image;
  }
}
