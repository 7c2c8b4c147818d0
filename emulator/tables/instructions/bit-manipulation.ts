import type { CpuFeature } from '../cpuid-features';
import type { InstructionRow } from '../instruction-types';
import { warm } from './row';

/** A VEX-encoded instruction on general registers of 32 or 64 bits, by VEX.W. */
const vex = (feature: CpuFeature, place: string, opcode: string, mnemonic: string, operands: string): InstructionRow =>
  warm(`VEX.LZ.${place}.WIG ${opcode}`, mnemonic, operands, 'y', mnemonic.toLowerCase(), { unit: 'vex', feature });

const bmi1 = (place: string, opcode: string, mnemonic: string, operands: string): InstructionRow =>
  vex('bmi1', place, opcode, mnemonic, operands);
const bmi2 = (place: string, opcode: string, mnemonic: string, operands: string): InstructionRow =>
  vex('bmi2', place, opcode, mnemonic, operands);

/** Bit counting, BMI1 and BMI2, ADX, MOVBE and CRC32. */
export const BIT_MANIPULATION_ROWS: readonly InstructionRow[] = [
  // Processors without these ignore F3 and execute BSF and BSR.
  warm('F3 0F BC /r', 'TZCNT', 'Gv Ev', 'v', 'tzcnt', { feature: 'bmi1' }),
  warm('F3 0F BD /r', 'LZCNT', 'Gv Ev', 'v', 'lzcnt', { feature: 'lzcnt' }),
  warm('F3 0F B8 /r', 'POPCNT', 'Gv Ev', 'v', 'popcnt', { feature: 'popcnt' }),

  bmi1('NP.0F38', 'F2 /r', 'ANDN', 'Gy By Ey'),
  bmi1('NP.0F38', 'F7 /r', 'BEXTR', 'Gy Ey By'),
  bmi1('NP.0F38', 'F3 /1', 'BLSR', 'By Ey'),
  bmi1('NP.0F38', 'F3 /2', 'BLSMSK', 'By Ey'),
  bmi1('NP.0F38', 'F3 /3', 'BLSI', 'By Ey'),

  bmi2('NP.0F38', 'F5 /r', 'BZHI', 'Gy Ey By'),
  bmi2('F2.0F38', 'F6 /r', 'MULX', 'Gy By Ey'),
  bmi2('F2.0F38', 'F5 /r', 'PDEP', 'Gy By Ey'),
  bmi2('F3.0F38', 'F5 /r', 'PEXT', 'Gy By Ey'),
  bmi2('F2.0F3A', 'F0 /r', 'RORX', 'Gy Ey uIb'),
  bmi2('F3.0F38', 'F7 /r', 'SARX', 'Gy Ey By'),
  bmi2('66.0F38', 'F7 /r', 'SHLX', 'Gy Ey By'),
  bmi2('F2.0F38', 'F7 /r', 'SHRX', 'Gy Ey By'),

  warm('66 0F 38 F6 /r', 'ADCX', 'Gy Ey', 'y', 'adcx', { feature: 'adx' }),
  warm('F3 0F 38 F6 /r', 'ADOX', 'Gy Ey', 'y', 'adox', { feature: 'adx' }),

  warm('NFx 0F 38 F0 /r', 'MOVBE', 'Gv Mv', 'v', 'movbe', { feature: 'movbe' }),
  warm('NFx 0F 38 F1 /r', 'MOVBE', 'Mv Gv', 'v', 'movbe', { feature: 'movbe' }),
  warm('F2 0F 38 F0 /r', 'CRC32', 'Gy Eb', 'b', 'crc32', { feature: 'sse4.2' }),
  warm('F2 0F 38 F1 /r', 'CRC32', 'Gy Ev', 'v', 'crc32', { feature: 'sse4.2' }),
];
