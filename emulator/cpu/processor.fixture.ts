import { MemoryAccess } from '../mmu/access';
import { BOUNDARY, CONTROL, DESCRIPTOR_TABLES } from '../state/layout';
import { MachineMemory } from '../state/memory';
import { CPU_MODELS } from '../tables/cpu-models';
import { NO_VMX } from './no-vmx.fixture';
import { Processor, SEG } from './processor';
import { resetProcessor } from './reset';
import { RSP } from './registers';

/** A processor with RAM and nothing else around it, for specs. */
export interface Fixture {
  readonly cpu: Processor;
  readonly access: MemoryAccess;
  readonly memory: MachineMemory;
}

/** Where `longMode` puts things, all identity-mapped. */
export const AT = { gdt: 0x1000, idt: 0x2000, tss: 0x3000, stack0: 0x9000, ist1: 0xa000, stack: 0xb000 } as const;
export const SELECTOR = { code: 0x08, data: 0x10, userData: 0x1b, userCode: 0x23, tss: 0x28 } as const;
const TABLES = 0x2_0000;

export function bareProcessor(): Fixture {
  const memory = new MachineMemory(0x40_0000);
  const cpu = new Processor(memory, CPU_MODELS.strata);
  const access = new MemoryAccess(cpu);
  cpu.mmu = access;
  cpu.vmx = NO_VMX;
  cpu.ports = { readPort: () => 0xffff_ffff, writePort: () => undefined };
  cpu.bus = { read: () => 0xffn, write: () => undefined, claims: () => false };
  cpu.interrupts = { interruptPending: () => false, acknowledge: () => 0, initialize: () => undefined };
  resetProcessor(cpu);
  return { cpu, access, memory };
}

/** Writes a page-table entry for a 4-KByte page; upper levels allow everything. */
export function mapPage(memory: MachineMemory, linear: number, entry: bigint): void {
  memory.write64(TABLES, BigInt(TABLES + 0x1000) | 7n);
  memory.write64(TABLES + 0x1000, BigInt(TABLES + 0x2000) | 7n);
  memory.write64(TABLES + 0x2000 + (linear >>> 21) * 8, BigInt(TABLES + 0x3000 + (linear >>> 21) * 0x1000) | 7n);
  memory.write64(TABLES + 0x3000 + (linear >>> 12) * 8, entry);
}

/** 64-bit mode at level 0: flat segments, GDT, TSS, empty IDT, the first 2 MBytes identity-mapped and user-accessible. */
export function longMode(): Fixture {
  const fixture = bareProcessor();
  const { cpu, memory } = fixture;
  for (let page = 0; page < 0x20_0000; page += 0x1000) mapPage(memory, page, BigInt(page) | 7n);
  const gdt = [
    0n,
    0x00af_9b00_0000_ffffn,
    0x00cf_9300_0000_ffffn,
    0x00cf_f300_0000_ffffn,
    0x00af_fb00_0000_ffffn,
    0x0000_8b00_3000_0067n,
    0n,
  ];
  gdt.forEach((descriptor, i) => memory.write64(AT.gdt + i * 8, descriptor));
  cpu.setField(DESCRIPTOR_TABLES.gdtrBase, BigInt(AT.gdt));
  cpu.setField32(DESCRIPTOR_TABLES.gdtrLimit, gdt.length * 8 - 1);
  cpu.setField(DESCRIPTOR_TABLES.idtrBase, BigInt(AT.idt));
  cpu.setField32(DESCRIPTOR_TABLES.idtrLimit, 0xfff);
  memory.write64(AT.tss + 4, BigInt(AT.stack0));
  memory.write64(AT.tss + 36, BigInt(AT.ist1));
  cpu.setSegment(SEG.TR, SELECTOR.tss, BigInt(AT.tss), 0x67, 0x8b);
  cpu.setField(CONTROL.cr0, 0x8001_0031n);
  cpu.setField(CONTROL.cr3, BigInt(TABLES));
  cpu.setField(CONTROL.cr4, 0x20n);
  cpu.setField(CONTROL.efer, 0xd01n);
  setLevel(cpu, 0);
  cpu.setGpr(RSP, BigInt(AT.stack));
  cpu.setField32(BOUNDARY.activity, 0);
  return fixture;
}

/** Makes the flat 64-bit segments of a privilege level current. */
export function setLevel(cpu: Processor, cpl: 0 | 3): void {
  cpu.setSegment(SEG.CS, cpl === 0 ? SELECTOR.code : SELECTOR.userCode, 0n, 0xffff_ffff, 0xa09b | (cpl << 5));
  cpu.setSegment(SEG.SS, cpl === 0 ? SELECTOR.data : SELECTOR.userData, 0n, 0xffff_ffff, 0xc093 | (cpl << 5));
  cpu.mmu.contextChanged();
}

/** Writes a 64-bit interrupt gate. */
export function setGate(memory: MachineMemory, vector: number, target: bigint, ist = 0, access = 0x8e): void {
  const low = (target & 0xffffn) | BigInt(SELECTOR.code << 16);
  const high = (target & 0xffff_0000n) | BigInt((access << 8) | ist);
  memory.write64(AT.idt + vector * 16, low | (high << 32n));
  memory.write64(AT.idt + vector * 16 + 8, target >> 32n);
}

/** Vector and error code a function raises; undefined where it raises nothing. */
export function faultOf(
  act: () => void,
): { vector: number; errorCode: number | undefined; address: bigint } | undefined {
  try {
    act();
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof Error) && typeof thrown === 'object' && thrown !== null && 'vector' in thrown) {
      const { vector, errorCode, address } = thrown as {
        vector: number;
        errorCode: number | undefined;
        address: bigint;
      };
      return { vector, errorCode, address };
    }
    throw thrown;
  }
}
