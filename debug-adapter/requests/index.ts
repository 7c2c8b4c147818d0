import type { RequestTable } from '../session-context';
import { BREAKPOINT_REQUESTS } from './breakpoints';
import { EVALUATION_REQUESTS } from './evaluation';
import { EXCEPTION_REQUESTS } from './exceptions';
import { EXECUTION_REQUESTS } from './execution';
import { LIFECYCLE_REQUESTS } from './lifecycle';
import { MEMORY_REQUESTS } from './memory';
import { MODULE_REQUESTS } from './modules';
import { STACK_REQUESTS } from './stack';
import { VARIABLE_REQUESTS } from './variables';

/** Every request the adapter answers. */
export const REQUESTS: RequestTable = {
  ...LIFECYCLE_REQUESTS,
  ...BREAKPOINT_REQUESTS,
  ...EXCEPTION_REQUESTS,
  ...EXECUTION_REQUESTS,
  ...STACK_REQUESTS,
  ...VARIABLE_REQUESTS,
  ...MEMORY_REQUESTS,
  ...EVALUATION_REQUESTS,
  ...MODULE_REQUESTS,
};
