import { controlFields, isOne, quoted } from './check';
import type { ControlKey } from '../../tables/vmx-controls';
import type { Condition } from './register-checks';

/** 'If "load IA32_PAT" is 1'. */
export function whenOne(key: ControlKey): Condition {
  return { test: isOne(key), words: `If ${quoted(key)} is 1`, fields: controlFields(key) };
}

/** The control itself as a value: '"host address-space size"'. */
export function valueOf(key: ControlKey): Condition {
  return { test: isOne(key), words: quoted(key), fields: controlFields(key) };
}
