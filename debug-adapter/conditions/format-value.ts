/** Values as people read them. */
import { exitReasonName } from '../../emulator/tables/exit-reasons';
import type { Value } from './evaluate';

/** Numbers in hexadecimal with their decimal value where that is short; exit reasons by name. */
export function formatValue(value: Value): string {
  switch (value.kind) {
    case 'boolean':
      return String(value.value);
    case 'absent':
      return `not available: ${value.message}`;
    case 'number':
      if (value.meaning === 'exit-reason') return `${exitReasonName(Number(value.value))} (${value.value})`;
      if (value.value < 10n) return value.value.toString();
      return value.meaning === 'plain' && value.value < 0x1_0000_0000n
        ? `0x${value.value.toString(16)} (${value.value})`
        : `0x${value.value.toString(16)}`;
  }
}

/** Type as a watch shows it. */
export function typeName(value: Value): string {
  switch (value.kind) {
    case 'boolean':
      return 'boolean';
    case 'absent':
      return 'not available';
    case 'number':
      return value.meaning === 'plain' ? `u${value.bits}` : value.meaning === 'address' ? 'address' : 'exit reason';
  }
}
