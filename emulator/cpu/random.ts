import type { DecodedRecord } from '../decode/decoded-record';
import { nextRandom } from '../state/random';
import { ARITHMETIC_FLAGS, RFLAGS } from '../tables/control-registers';
import { COLD, type ColdInstruction } from './cold';
import { writeRegister } from './operands';
import type { Processor } from './processor';

/** RDRAND and RDSEED: both draw from the machine's seeded sequence, and never run dry. */
const draw =
  (name: 'RDRAND' | 'RDSEED'): ColdInstruction =>
  (cpu: Processor, insn: DecodedRecord) => {
    cpu.vmx.plain(name, insn);
    writeRegister(cpu, insn.d, insn.size, BigInt.asUintN(insn.size * 8, nextRandom(cpu.memory)));
    cpu.rflags = (cpu.rflags & ~ARITHMETIC_FLAGS) | RFLAGS.CF;
    return COLD.NEXT;
  };

export const RANDOM_INSTRUCTIONS: Readonly<Record<string, ColdInstruction>> = {
  rdrand: draw('RDRAND'),
  rdseed: draw('RDSEED'),
};
