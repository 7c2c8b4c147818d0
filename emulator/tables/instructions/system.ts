import type { InstructionRow } from '../instruction-types';
import { cold, ENDS, LEGACY, LONG, LONG_ENDS, type RowOptions } from './row';

const FSGSBASE: RowOptions = { mode: 'long', feature: 'fsgsbase' };

/** System instructions. */
export const SYSTEM_ROWS: readonly InstructionRow[] = [
  cold('0F A2', 'CPUID', '', '-', 'cpuid'),
  cold('0F 30', 'WRMSR', '', '-', 'wrmsr', ENDS),
  cold('0F 31', 'RDTSC', '', '-', 'rdtsc'),
  cold('0F 32', 'RDMSR', '', '-', 'rdmsr'),
  cold('0F 33', 'RDPMC', '', '-', 'rdpmc'),
  cold('0F 01 F9', 'RDTSCP', '', '-', 'rdtscp', { feature: 'rdtscp' }),
  cold('F4', 'HLT', '', '-', 'hlt', ENDS),

  cold('0F 00 /0', 'SLDT', 'Ev', 'v', 'sldt'),
  cold('0F 00 /1', 'STR', 'Ev', 'v', 'str'),
  cold('0F 00 /2', 'LLDT', 'Ew', 'w', 'lldt'),
  cold('0F 00 /3', 'LTR', 'Ew', 'w', 'ltr'),
  cold('0F 00 /4', 'VERR', 'Ew', 'w', 'verr'),
  cold('0F 00 /5', 'VERW', 'Ew', 'w', 'verw'),
  cold('0F 01 /0 mem', 'SGDT', 'Ms', 'n', 'sgdt'),
  cold('0F 01 /1 mem', 'SIDT', 'Ms', 'n', 'sidt'),
  // Outside 64-bit mode the operand size says whether 24 or 32 bits of base are loaded.
  cold('0F 01 /2 mem', 'LGDT', 'Ms', 'd64', 'lgdt'),
  cold('0F 01 /3 mem', 'LIDT', 'Ms', 'd64', 'lidt'),
  cold('0F 01 /4', 'SMSW', 'Ev', 'v', 'smsw'),
  cold('0F 01 /6', 'LMSW', 'Ew', 'w', 'lmsw', ENDS),
  cold('0F 01 /7 mem', 'INVLPG', 'Mb', 'n', 'invlpg', ENDS),
  cold('66 0F 38 82 /r mem', 'INVPCID', 'Gn Mdq', 'n', 'invpcid', { ...ENDS, feature: 'invpcid' }),
  cold('0F 02 /r', 'LAR', 'Gv Ew', 'v', 'lar'),
  cold('0F 03 /r', 'LSL', 'Gv Ew', 'v', 'lsl'),
  cold('63 /r', 'ARPL', 'Ew Gw', 'w', 'arpl', LEGACY),
  cold('0F 06', 'CLTS', '', '-', 'clts', ENDS),
  cold('0F 08', 'INVD', '', '-', 'invd'),
  cold('0F 09', 'WBINVD', '', '-', 'wbinvd'),

  cold('0F 20 /r', 'MOV', 'Rn Cn', 'n', 'mov_from_cr'),
  cold('0F 21 /r', 'MOV', 'Rn Dn', 'n', 'mov_from_dr'),
  cold('0F 22 /r', 'MOV', 'Cn Rn', 'n', 'mov_to_cr', ENDS),
  cold('0F 23 /r', 'MOV', 'Dn Rn', 'n', 'mov_to_dr', ENDS),

  cold('0F 05', 'SYSCALL', '', '-', 'syscall', LONG_ENDS),
  cold('0F 07', 'SYSRET', '', 'y', 'sysret', LONG_ENDS),
  cold('0F 34', 'SYSENTER', '', '-', 'sysenter', ENDS),
  cold('0F 35', 'SYSEXIT', '', 'y', 'sysexit', ENDS),
  cold('0F AA', 'RSM', '', '-', 'rsm', ENDS),
  cold('0F 01 F8', 'SWAPGS', '', '-', 'swapgs', LONG),
  cold('F3 0F AE /0 reg', 'RDFSBASE', 'Ey', 'y', 'rdfsbase', FSGSBASE),
  cold('F3 0F AE /1 reg', 'RDGSBASE', 'Ey', 'y', 'rdgsbase', FSGSBASE),
  cold('F3 0F AE /2 reg', 'WRFSBASE', 'Ey', 'y', 'wrfsbase', FSGSBASE),
  cold('F3 0F AE /3 reg', 'WRGSBASE', 'Ey', 'y', 'wrgsbase', FSGSBASE),

  cold('NP 0F 01 CA', 'CLAC', '', '-', 'clac', { ...ENDS, feature: 'smap' }),
  cold('NP 0F 01 CB', 'STAC', '', '-', 'stac', { ...ENDS, feature: 'smap' }),
  cold('NP 0F 01 EE', 'RDPKRU', '', '-', 'rdpkru', { feature: 'pku' }),
  cold('NP 0F 01 EF', 'WRPKRU', '', '-', 'wrpkru', { feature: 'pku' }),
  cold('NP 0F 01 D0', 'XGETBV', '', '-', 'xgetbv', { feature: 'xsave' }),
  cold('NP 0F 01 D1', 'XSETBV', '', '-', 'xsetbv', { feature: 'xsave', ends: true }),
];
