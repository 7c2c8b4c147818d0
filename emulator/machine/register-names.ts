import { SEGMENT_ORDER, type SegmentName } from '../state/layout';
import type { ControlName, SegmentPart } from './register-image';
import { UNIT_REGISTERS, type UnitRegister } from './unit-registers';

/** What a register name means. `shift` and `bits` select a part of a general register. */
export type RegisterName =
  | { readonly kind: 'gpr'; readonly number: number; readonly shift: 0 | 8; readonly bits: 8 | 16 | 32 | 64 }
  | { readonly kind: 'control'; readonly name: ControlName; readonly bits: 16 | 32 | 64 }
  | { readonly kind: 'segment'; readonly name: SegmentName; readonly part: SegmentPart }
  | { readonly kind: 'unit'; readonly register: UnitRegister; readonly bits: UnitRegister['bits'] };

const LEGACY = ['AX', 'CX', 'DX', 'BX', 'SP', 'BP', 'SI', 'DI'] as const;
const LOW_BYTES = ['AL', 'CL', 'DL', 'BL', 'SPL', 'BPL', 'SIL', 'DIL'] as const;
const HIGH_BYTES = ['AH', 'CH', 'DH', 'BH'] as const;
const CONTROLS: readonly ControlName[] = [
  ...(['RIP', 'RFLAGS', 'CR0', 'CR2', 'CR3', 'CR4', 'CR8', 'EFER', 'XCR0'] as const),
  ...(['DR0', 'DR1', 'DR2', 'DR3', 'DR6', 'DR7'] as const),
];
const PARTS: readonly SegmentPart[] = ['selector', 'base', 'limit', 'access'];
const NUMBERED_WIDTHS = [
  ['', 64],
  ['D', 32],
  ['W', 16],
  ['B', 8],
] as const;

function* names(): Generator<readonly [string, RegisterName]> {
  const gpr = (number: number, bits: 8 | 16 | 32 | 64, shift: 0 | 8 = 0): RegisterName => ({
    kind: 'gpr',
    number,
    shift,
    bits,
  });
  for (const [number, name] of LEGACY.entries()) {
    yield [`R${name}`, gpr(number, 64)];
    yield [`E${name}`, gpr(number, 32)];
    yield [name, gpr(number, 16)];
  }
  for (const [number, name] of LOW_BYTES.entries()) yield [name, gpr(number, 8)];
  for (const [number, name] of HIGH_BYTES.entries()) yield [name, gpr(number, 8, 8)];
  for (let number = 8; number < 16; number++) {
    for (const [suffix, bits] of NUMBERED_WIDTHS) yield [`R${number}${suffix}`, gpr(number, bits)];
  }
  for (const name of CONTROLS) yield [name, { kind: 'control', name, bits: 64 }];
  yield ['EIP', { kind: 'control', name: 'RIP', bits: 32 }];
  yield ['EFLAGS', { kind: 'control', name: 'RFLAGS', bits: 32 }];
  for (const register of Object.values<readonly UnitRegister[]>(UNIT_REGISTERS).flat())
    yield [register.name, { kind: 'unit', register, bits: register.bits }];
  for (const name of SEGMENT_ORDER) {
    yield [name, { kind: 'segment', name, part: 'selector' }];
    for (const part of PARTS) yield [`${name}.${part.toUpperCase()}`, { kind: 'segment', name, part }];
  }
}

const BY_NAME: ReadonlyMap<string, RegisterName> = new Map(names());

/** The register of a name in any case ('rax', 'AH', 'cs.base'), or undefined. */
export function parseRegisterName(name: string): RegisterName | undefined {
  return BY_NAME.get(name.toUpperCase());
}
