import { exitReasonName } from '../../emulator/tables/exit-reasons';
import { TSC_HZ } from '../../emulator/tables/clock';
import type { Debuggee } from '../debuggee';
import { count } from '../format';
import { group, type VariableNode } from './node';

/** Time and what has happened so far. */
export function counterNodes({ machine }: Debuggee): readonly VariableNode[] {
  const exits = [...machine.exitCounts].filter(([, times]) => times > 0).sort((a, b) => b[1] - a[1]);
  const total = exits.reduce((sum, [, times]) => sum + times, 0);
  const number = (name: string, value: bigint | number): VariableNode => ({
    name,
    value: (format) => count(value, format),
  });
  return [
    number('Time', machine.time),
    number('Instructions retired', machine.retired),
    number('Idle skips', machine.time - machine.retired),
    number('TSC frequency (Hz)', TSC_HZ),
    number('Transitions', machine.lastTransition?.number ?? 0),
    {
      ...group('VM exits by reason', '', () => exits.map(([reason, times]) => number(exitReasonName(reason), times))),
      value: (format) => `${count(total, format)} in all`,
    },
  ];
}
