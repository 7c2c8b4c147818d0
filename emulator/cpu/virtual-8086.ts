import { FLAGS } from '../state/layout';
import { RFLAGS } from '../tables/control-registers';
import { raise, VECTOR } from './faults';
import { ioPrivilege, loadRealSegment } from './modes';
import { type Processor, SEG } from './processor';
import { RSP } from './registers';
import { currentStack, setStackPointer, StackWriter } from './stack';

/** Offset of the I/O map base in a 32-bit TSS; the redirection bitmap's 32 bytes end where it points. */
const IO_MAP_BASE = 0x66n;
const REDIRECTION_BYTES = 32;

/** Whether INT n goes to the 8086 program's own handler: its bit in the software interrupt redirection bitmap is 0. */
export function isRedirected(cpu: Processor, vector: number): boolean {
  const limit = cpu.limit(SEG.TR);
  if (limit < 0x67) raise(VECTOR.GP, 0);
  const base = cpu.base(SEG.TR);
  const map = Number(cpu.mmu.readSystem(base + IO_MAP_BASE, 2));
  const at = map - REDIRECTION_BYTES + (vector >>> 3);
  if (at < 0 || at > limit) raise(VECTOR.GP, 0);
  return (Number(cpu.mmu.readSystem(base + BigInt(at), 1)) & (1 << (vector & 7))) === 0;
}

/** INT n through the interrupt vector table at linear address 0, SDM "Method 5" and "Method 6" of software interrupt handling. */
export function deliverRedirected(cpu: Processor, vector: number, returnRip: bigint): void {
  const target = Number(cpu.mmu.readSystem(BigInt(vector * 4), 4));
  const privileged = ioPrivilege(cpu) === 3;
  const system = cpu.field32(FLAGS.system);
  let image = cpu.rflags & 0xffff;
  if (!privileged) {
    image = (image & ~RFLAGS.IF) | RFLAGS.IOPL | (system & RFLAGS.VIF ? RFLAGS.IF : 0);
  }
  const stack = new StackWriter(cpu, currentStack(cpu), cpu.gpr(RSP), 2);
  stack.push(image);
  stack.push(cpu.selector(SEG.CS));
  stack.push(returnRip & 0xffffn);
  stack.check(true, () => raise(VECTOR.SS, 0));
  stack.commit();
  setStackPointer(cpu, stack.pointer);
  cpu.setField32(FLAGS.system, system & ~(RFLAGS.TF | RFLAGS.RF | (privileged ? RFLAGS.IF : RFLAGS.VIF)));
  loadRealSegment(cpu, SEG.CS, target >>> 16);
  cpu.rip = BigInt(target & 0xffff);
}
