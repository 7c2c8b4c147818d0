import { bits, flag, GPR_NAMES, hex } from './bit-layout';
import type { BitField } from './bit-layout';

/**
 * Exit qualifications (SDM, "Basic VM-Exit Information" and "Exit Qualification for ..."), each a list of bit fields.
 * Reserved bits have no entry.
 */
const DEBUG_EXCEPTION: readonly BitField[] = [
  flag(0, 'B0'),
  flag(1, 'B1'),
  flag(2, 'B2'),
  flag(3, 'B3'),
  flag(11, 'BLD'),
  flag(13, 'BD'),
  flag(14, 'BS'),
  flag(16, 'RTM'),
];

const CR_ACCESS: readonly BitField[] = [
  bits(3, 0, 'cr', { 0: 'CR0', 3: 'CR3', 4: 'CR4', 8: 'CR8' }),
  bits(5, 4, 'type', { 0: 'MOV to CR', 1: 'MOV from CR', 2: 'CLTS', 3: 'LMSW' }),
  flag(6, 'lmswMemory', { 0: 'register', 1: 'memory' }),
  bits(11, 8, 'gpr', GPR_NAMES),
  hex(31, 16, 'lmswSource'),
];

const DR_ACCESS: readonly BitField[] = [
  bits(2, 0, 'dr', Object.fromEntries([0, 1, 2, 3, 4, 5, 6, 7].map((n) => [n, `DR${n}`]))),
  flag(4, 'direction', { 0: 'MOV to DR', 1: 'MOV from DR' }),
  bits(11, 8, 'gpr', GPR_NAMES),
];

const IO: readonly BitField[] = [
  bits(2, 0, 'size', { 0: '1 byte', 1: '2 bytes', 3: '4 bytes' }),
  flag(3, 'in', { 0: 'OUT', 1: 'IN' }),
  flag(4, 'string'),
  flag(5, 'rep'),
  flag(6, 'immediate', { 0: 'DX', 1: 'immediate' }),
  hex(31, 16, 'port'),
];

const TASK_SWITCH: readonly BitField[] = [
  hex(15, 0, 'selector'),
  bits(31, 30, 'source', { 0: 'CALL', 1: 'IRET', 2: 'JMP', 3: 'task gate in IDT' }),
];

const EPT_VIOLATION: readonly BitField[] = [
  flag(0, 'read'),
  flag(1, 'write'),
  flag(2, 'fetch'),
  flag(3, 'readable'),
  flag(4, 'writable'),
  flag(5, 'executable'),
  flag(6, 'userExecutable'),
  flag(7, 'linearValid'),
  flag(8, 'translated', { 0: 'page walk or update of paging structure', 1: 'translation of the linear address' }),
  flag(9, 'user'),
  flag(10, 'linearWritable'),
  flag(11, 'linearNoExecute'),
  flag(12, 'nmiUnblocking'),
  flag(13, 'shadowStack'),
  flag(14, 'supervisorShadowStack'),
  flag(15, 'guestPagingVerification'),
  flag(16, 'asynchronous'),
];

const APIC_ACCESS: readonly BitField[] = [
  hex(11, 0, 'offset'),
  bits(15, 12, 'type', {
    0: 'linear read',
    1: 'linear write',
    2: 'linear fetch',
    3: 'linear access during event delivery',
    4: 'linear monitoring',
    10: 'guest-physical access during event delivery',
    15: 'guest-physical access for an instruction',
  }),
  flag(16, 'asynchronous'),
];

const ENTRY_FAILURE: readonly BitField[] = [
  bits(63, 0, 'cause', {
    0: 'not one of the others',
    2: 'loading PDPTEs',
    3: 'injecting an NMI while blocked by MOV SS or STI',
    4: 'VMCS link pointer',
  }),
];

const displacement: readonly BitField[] = [hex(63, 0, 'displacement')];

/** By basic exit reason; a reason that is missing saves 0. */
export const QUALIFICATIONS: ReadonlyMap<number, readonly BitField[]> = new Map<number, readonly BitField[]>([
  [4, [bits(7, 0, 'vector')]],
  [9, TASK_SWITCH],
  [14, [hex(63, 0, 'linear')]],
  [19, displacement],
  [21, displacement],
  [22, displacement],
  [23, displacement],
  [25, displacement],
  [27, displacement],
  [28, CR_ACCESS],
  [29, DR_ACCESS],
  [30, IO],
  [33, ENTRY_FAILURE],
  [34, [bits(63, 0, 'entry')]],
  [36, [flag(0, 'armed')]],
  [44, APIC_ACCESS],
  [45, [bits(7, 0, 'vector')]],
  [46, displacement],
  [47, displacement],
  [48, EPT_VIOLATION],
  [50, displacement],
  [53, displacement],
  [56, [hex(11, 0, 'offset')]],
  [58, displacement],
  [62, [flag(12, 'nmiUnblocking'), flag(16, 'asynchronous')]],
  [63, displacement],
  [64, displacement],
  [66, [flag(11, 'miss', { 0: 'SPP misconfiguration', 1: 'SPP miss' }), flag(12, 'nmiUnblocking')]],
  [74, [flag(16, 'asynchronous')]],
  [75, [flag(0, 'contextInvalid')]],
]);

/** Debug exceptions have a qualification, and page faults the linear address; both are reason 0. */
export const EXCEPTION_QUALIFICATIONS: ReadonlyMap<number, readonly BitField[]> = new Map<number, readonly BitField[]>([
  [1, DEBUG_EXCEPTION],
  [14, [hex(63, 0, 'linear')]],
]);
