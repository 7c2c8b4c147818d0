import { COLD, type ColdInstruction } from '../cpu/cold';
import { writeRegister } from '../cpu/operands';
import { GPR } from '../state/layout';
import { environmentSize, imageAddress, loadEnvironment, storeEnvironment } from './environment-image';
import { Fpu, STATUS } from './fpu';
import { later, notWaiting, readOperand, waiting, writeOperand } from './operands';

const EXCEPTION_MASKS = 0x3f;
/** What FNCLEX leaves of the status word. */
const NOT_EXCEPTIONS = 0x7f00;
const REGISTERS_SIZE = 80;
const STATUS_TOP = 7 << STATUS.TOP_SHIFT;

/** FNSAVE's image behind the environment: ST(0) to ST(7), 10 bytes each. */
function storeRegisters(fpu: Fpu, linear: bigint): void {
  const { cpu } = fpu;
  for (let i = 0; i < 8; i++) {
    const bits = fpu.bits(i);
    cpu.mmu.write(later(cpu, linear, i * 10), 8, BigInt.asUintN(64, bits));
    cpu.mmu.write(later(cpu, linear, i * 10 + 8), 2, bits >> 64n);
  }
}

const restore = waiting((fpu) => {
  const { cpu } = fpu;
  const size = environmentSize(fpu);
  const linear = imageAddress(fpu, size + REGISTERS_SIZE, false);
  const registers = Array.from({ length: 8 }, (_, i) => {
    const at = size + i * 10;
    return cpu.mmu.read(later(cpu, linear, at), 8) | (cpu.mmu.read(later(cpu, linear, at + 8), 2) << 64n);
  });
  loadEnvironment(fpu, linear);
  const { tags } = fpu;
  registers.forEach((bits, i) => {
    fpu.write(i, bits);
  });
  fpu.tags = tags;
});

const wait: ColdInstruction = waiting(() => undefined);

export const X87_CONTROL: Readonly<Record<string, ColdInstruction>> = {
  fninit: notWaiting((fpu) => {
    fpu.initialize();
  }),
  fnclex: notWaiting((fpu) => {
    fpu.status &= NOT_EXCEPTIONS;
  }),
  fldcw: waiting((fpu) => {
    fpu.control = Number(readOperand(fpu, 2));
  }),
  fnstcw: notWaiting((fpu) => {
    writeOperand(fpu, 2, BigInt(fpu.control));
  }),
  fnstsw: notWaiting((fpu) => {
    writeOperand(fpu, 2, BigInt(fpu.status));
  }),
  fnstsw_ax: (cpu, insn) => {
    writeRegister(cpu, GPR, 2, BigInt(new Fpu(cpu, insn).status));
    return COLD.NEXT;
  },
  fldenv: waiting((fpu) => {
    loadEnvironment(fpu, imageAddress(fpu, environmentSize(fpu), false));
  }),
  fnstenv: notWaiting((fpu) => {
    storeEnvironment(fpu, imageAddress(fpu, environmentSize(fpu), true));
    fpu.control |= EXCEPTION_MASKS;
  }),
  fnsave: notWaiting((fpu) => {
    const size = environmentSize(fpu);
    const linear = imageAddress(fpu, size + REGISTERS_SIZE, true);
    storeEnvironment(fpu, linear);
    storeRegisters(fpu, later(fpu.cpu, linear, size));
    fpu.initialize();
  }),
  frstor: restore,
  fwait: wait,
  emms: waiting((fpu) => {
    fpu.tags = 0;
    fpu.status &= ~STATUS_TOP;
  }),
};
