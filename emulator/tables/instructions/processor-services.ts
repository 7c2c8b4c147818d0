import type { InstructionRow } from '../instruction-types';
import { cold, hot, type RowOptions } from './row';

const WAITPKG: RowOptions = { feature: 'waitpkg' };
const WAITPKG_ENDS: RowOptions = { feature: 'waitpkg', ends: true };

/** Random numbers, waits, cache control, direct stores and other small services that features bring. */
export const PROCESSOR_SERVICE_ROWS: readonly InstructionRow[] = [
  ...['NP', '66'].flatMap((prefix) => [
    cold(`${prefix} 0F C7 /6 reg`, 'RDRAND', 'Ev', 'v', 'rdrand', { feature: 'rdrand' }),
    cold(`${prefix} 0F C7 /7 reg`, 'RDSEED', 'Ev', 'v', 'rdseed', { feature: 'rdseed' }),
  ]),
  cold('F3 0F C7 /7 reg', 'RDPID', 'En', 'n', 'rdpid', { feature: 'rdpid' }),

  cold('NP 0F 01 C8', 'MONITOR', '', '-', 'monitor', { feature: 'monitor' }),
  cold('NP 0F 01 C9', 'MWAIT', '', '-', 'mwait', { feature: 'monitor', ends: true }),
  cold('66 0F AE /6 reg', 'TPAUSE', 'Ed', 'd', 'tpause', WAITPKG_ENDS),
  cold('F2 0F AE /6 reg', 'UMWAIT', 'Ed', 'd', 'umwait', WAITPKG_ENDS),
  cold('F3 0F AE /6 reg', 'UMONITOR', 'Ey', 'y', 'umonitor', WAITPKG),

  cold('NP 0F AE /7 mem', 'CLFLUSH', 'Mb', 'b', 'cache_line', { feature: 'clflush' }),
  cold('66 0F AE /7 mem', 'CLFLUSHOPT', 'Mb', 'b', 'cache_line', { feature: 'clflushopt' }),
  cold('66 0F AE /6 mem', 'CLWB', 'Mb', 'b', 'cache_line', { feature: 'clwb' }),

  hot('NP 0F 38 F9 /r', 'MOVDIRI', 'My Gy', 'y', 'mov', { feature: 'movdiri' }),
  cold('66 0F 38 F8 /r', 'MOVDIR64B', 'Gy M', 'y', 'movdir64b', { feature: 'movdir64b' }),
  hot('NP 0F C3 /r', 'MOVNTI', 'My Gy', 'y', 'mov', { feature: 'sse2' }),

  hot('NP 0F 01 E8', 'SERIALIZE', '', '-', 'nop', { feature: 'serialize' }),
  cold('NP 0F 01 C6', 'WRMSRNS', '', '-', 'wrmsr', { feature: 'wrmsrns', ends: true }),
];
