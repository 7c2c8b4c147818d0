import type { InstructionRow } from '../instruction-types';
import { cold } from './row';

/** Instructions that save and restore x87, vector and protection-key state. The XSAVE family sees to CR4.OSXSAVE and CR0.TS itself. */
export const STATE_SAVING_ROWS: readonly InstructionRow[] = [
  ...['', 'REX.W '].flatMap((prefix) => {
    const wide = prefix === '' ? '' : '64';
    return [
      cold(`NP ${prefix}0F AE /0 mem`, `FXSAVE${wide}`, 'M', 'y', 'fxsave', { unit: 'x87', feature: 'fxsr' }),
      cold(`NP ${prefix}0F AE /1 mem`, `FXRSTOR${wide}`, 'M', 'y', 'fxrstor', { unit: 'x87', feature: 'fxsr' }),
      cold(`NP ${prefix}0F AE /4 mem`, `XSAVE${wide}`, 'M', 'y', 'xsave', { feature: 'xsave' }),
      cold(`NP ${prefix}0F AE /5 mem`, `XRSTOR${wide}`, 'M', 'y', 'xrstor', { feature: 'xsave' }),
      cold(`NP ${prefix}0F AE /6 mem`, `XSAVEOPT${wide}`, 'M', 'y', 'xsaveopt', { feature: 'xsaveopt' }),
      cold(`NP ${prefix}0F C7 /3 mem`, `XRSTORS${wide}`, 'M', 'y', 'xrstors', { feature: 'xsaves' }),
      cold(`NP ${prefix}0F C7 /4 mem`, `XSAVEC${wide}`, 'M', 'y', 'xsavec', { feature: 'xsavec' }),
      cold(`NP ${prefix}0F C7 /5 mem`, `XSAVES${wide}`, 'M', 'y', 'xsaves', { feature: 'xsaves' }),
    ];
  }),
  cold('NP 0F AE /2 mem', 'LDMXCSR', 'Md', 'd', 'ldmxcsr', { unit: 'sse', feature: 'sse' }),
  cold('NP 0F AE /3 mem', 'STMXCSR', 'Md', 'd', 'stmxcsr', { unit: 'sse', feature: 'sse' }),
  cold('VEX.LZ.NP.0F.WIG AE /2 mem', 'VLDMXCSR', 'Md', 'd', 'ldmxcsr', { unit: 'avx', feature: 'avx' }),
  cold('VEX.LZ.NP.0F.WIG AE /3 mem', 'VSTMXCSR', 'Md', 'd', 'stmxcsr', { unit: 'avx', feature: 'avx' }),
];
