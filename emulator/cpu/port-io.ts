import type { DecodedRecord } from '../decode/decoded-record';
import { FLAGS, GPR } from '../state/layout';
import { RFLAGS } from '../tables/control-registers';
import { COLD, type ColdInstruction, type ColdResult } from './cold';
import { raise, VECTOR } from './faults';
import { hasProtection, ioPrivilege, isVirtual8086 } from './modes';
import { writeRegister } from './operands';
import { type Processor, SEG } from './processor';
import { RCX, RDI, RDX, RSI } from './registers';

type PortSize = 1 | 2 | 4;

const portSize = (insn: DecodedRecord): PortSize => (insn.size === 8 ? 4 : insn.size);

/** IOPL, else the I/O permission bitmap of the TSS, SDM "I/O Permission Bit Map". */
function checkPermission(cpu: Processor, port: number, size: PortSize): void {
  // In virtual-8086 mode IOPL does not count.
  if (!isVirtual8086(cpu) && (!hasProtection(cpu) || cpu.cpl <= ioPrivilege(cpu))) return;
  const access = cpu.access(SEG.TR);
  const limit = cpu.limit(SEG.TR);
  if ((access & 0x1_0000) !== 0 || (access & 0xd) !== 9 || limit < 0x67) raise(VECTOR.GP, 0);
  const map = Number(cpu.mmu.readSystem(cpu.base(SEG.TR) + 0x66n, 2));
  const at = map + (port >>> 3);
  // The processor always reads two bytes, so the map must reach one byte further.
  if (at + 1 > limit) raise(VECTOR.GP, 0);
  const bits = Number(cpu.mmu.readSystem(cpu.base(SEG.TR) + BigInt(at), 2)) >>> (port & 7);
  if ((bits & ((1 << size) - 1)) !== 0) raise(VECTOR.GP, 0);
}

const plain =
  (input: boolean, immediate: boolean): ColdInstruction =>
  (cpu, insn): ColdResult => {
    const port = immediate ? Number(insn.imm & 0xffn) : cpu.gpr32(RDX) & 0xffff;
    const size = portSize(insn);
    checkPermission(cpu, port, size);
    cpu.vmx.io({ port, size, input, string: false, rep: false, immediate }, insn);
    if (input) {
      writeRegister(cpu, GPR, size, BigInt(cpu.ports.readPort(port, size) >>> 0));
    } else {
      const mask = size === 4 ? 0xffff_ffff : (1 << (size * 8)) - 1;
      cpu.ports.writePort(port, size, (cpu.gpr32(0) & mask) >>> 0);
    }
    cpu.debug.portAccessed(port, size);
    return COLD.NEXT;
  };

/** Reads and writes RCX, RSI, RDI in the address size of a string instruction. */
const pointer = (cpu: Processor, number: number, size: 2 | 4 | 8): bigint => BigInt.asUintN(size * 8, cpu.gpr(number));
const setPointer = (cpu: Processor, number: number, size: 2 | 4 | 8, value: bigint): void =>
  writeRegister(cpu, GPR + number * 8, size, value);

/** One iteration of INS or OUTS; REPEAT while the count lasts. */
const string =
  (input: boolean): ColdInstruction =>
  (cpu, insn) => {
    const size = portSize(insn);
    const address = insn.addressSize;
    if (insn.rep && pointer(cpu, RCX, address) === 0n) return COLD.NEXT;
    const port = cpu.gpr32(RDX) & 0xffff;
    checkPermission(cpu, port, size);
    const register = input ? RDI : RSI;
    const segment = input ? SEG.ES : insn.segment;
    const offset = pointer(cpu, register, address);
    const linear = cpu.mmu.linear(segment, offset, size, input, address);
    cpu.vmx.io(
      { port, size, input, string: true, rep: insn.rep, immediate: false, linear, segment, addressSize: address },
      insn,
    );
    if (input) {
      cpu.mmu.probeWrite(linear, size);
      cpu.mmu.write(linear, size, BigInt(cpu.ports.readPort(port, size) >>> 0));
    } else {
      cpu.ports.writePort(port, size, Number(cpu.mmu.read(linear, size)));
    }
    cpu.debug.portAccessed(port, size);
    const step = BigInt((cpu.field32(FLAGS.system) & RFLAGS.DF) !== 0 ? -size : size);
    setPointer(cpu, register, address, offset + step);
    if (!insn.rep) return COLD.LEAVE;
    const left = pointer(cpu, RCX, address) - 1n;
    setPointer(cpu, RCX, address, left);
    return left === 0n ? COLD.LEAVE : COLD.REPEAT;
  };

export const PORT_INSTRUCTIONS: Readonly<Record<string, ColdInstruction>> = {
  in_imm: plain(true, true),
  in_dx: plain(true, false),
  out_imm: plain(false, true),
  out_dx: plain(false, false),
  ins: string(true),
  outs: string(false),
};
