/** Registers as conditions, watches and the console name them, and how each is read from a layer's state. */
import { REGISTER_BITS } from '../../emulator/tables/vmx/register-bits';
import type { LayerState } from '../../emulator/api';
import { UNIT_REGISTERS, type UnitRegister } from '../../emulator/machine/unit-registers';
import type { SegmentName } from '../../emulator/state/layout';
import type { BitRange } from './bit-names';
import { namedBits } from './bit-names';

type ControlName = Parameters<LayerState['control']>[0];

export type RegisterReference =
  /** A general register, or part of one: `shift` is 8 for AH, CH, DH and BH. */
  | { readonly kind: 'general'; readonly number: number; readonly shift: 0 | 8; readonly bits: 8 | 16 | 32 | 64 }
  | { readonly kind: 'rip'; readonly bits: 16 | 32 | 64 }
  | { readonly kind: 'rflags'; readonly bits: 16 | 32 | 64 }
  | { readonly kind: 'control'; readonly name: ControlName }
  | { readonly kind: 'segment'; readonly name: SegmentName; readonly part: 'selector' | 'base' | 'limit' | 'access' }
  | { readonly kind: 'table'; readonly name: 'gdtr' | 'idtr'; readonly part: 'base' | 'limit' }
  /** Of the x87, MMX and vector units: those of at most 64 bits. */
  | { readonly kind: 'unit'; readonly name: string; readonly bits: 8 | 16 | 32 | 64 }
  /** Current privilege level: DPL of SS. */
  | { readonly kind: 'cpl' };

const LEGACY = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'] as const;
const CONTROLS: readonly ControlName[] = [
  ...(['CR0', 'CR2', 'CR3', 'CR4', 'CR8', 'EFER', 'XCR0'] as const),
  ...(['DR0', 'DR1', 'DR2', 'DR3', 'DR6', 'DR7'] as const),
];
const SEGMENTS: readonly SegmentName[] = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDTR', 'TR'];

const references = new Map<string, RegisterReference>();
LEGACY.forEach((name, number) => {
  references.set(`r${name}`, { kind: 'general', number, shift: 0, bits: 64 });
  references.set(`e${name}`, { kind: 'general', number, shift: 0, bits: 32 });
  references.set(name, { kind: 'general', number, shift: 0, bits: 16 });
  const low = number < 4 ? `${name[0]}l` : `${name}l`;
  references.set(low, { kind: 'general', number, shift: 0, bits: 8 });
  if (number < 4) references.set(`${name[0]}h`, { kind: 'general', number, shift: 8, bits: 8 });
});
for (let number = 8; number < 16; number++) {
  references.set(`r${number}`, { kind: 'general', number, shift: 0, bits: 64 });
  references.set(`r${number}d`, { kind: 'general', number, shift: 0, bits: 32 });
  references.set(`r${number}w`, { kind: 'general', number, shift: 0, bits: 16 });
  references.set(`r${number}b`, { kind: 'general', number, shift: 0, bits: 8 });
}
references.set('rip', { kind: 'rip', bits: 64 });
references.set('eip', { kind: 'rip', bits: 32 });
references.set('ip', { kind: 'rip', bits: 16 });
references.set('rflags', { kind: 'rflags', bits: 64 });
references.set('eflags', { kind: 'rflags', bits: 32 });
references.set('flags', { kind: 'rflags', bits: 16 });
for (const name of CONTROLS) references.set(name.toLowerCase(), { kind: 'control', name });
for (const name of SEGMENTS) references.set(name.toLowerCase(), { kind: 'segment', name, part: 'selector' });
for (const name of ['gdtr', 'idtr'] as const) references.set(name, { kind: 'table', name, part: 'base' });
references.set('cpl', { kind: 'cpl' });
for (const { name, bits } of Object.values<readonly UnitRegister[]>(UNIT_REGISTERS).flat()) {
  if (bits === 8 || bits === 16 || bits === 32 || bits === 64)
    references.set(name.toLowerCase(), { kind: 'unit', name, bits });
}

const PART_NAMES = ['selector', 'base', 'limit', 'access'] as const;

/** All register names, in lower case and without their parts. */
export const REGISTER_NAMES: readonly string[] = [...references.keys()];

/** By name, any case: `rax`, `r8d`, `ah`, `cr0`, `cs`, `gdtr`. */
export function registerByName(name: string): RegisterReference | undefined {
  return references.get(name.toLowerCase());
}

/** `cs.base`, `gdtr.limit`: a part that is a register of its own; undefined where there is none of the name. */
export function registerPart(register: RegisterReference, part: string): RegisterReference | undefined {
  const name = PART_NAMES.find((known) => known === part.toLowerCase());
  if (name === undefined) return undefined;
  if (register.kind === 'segment') return { ...register, part: name };
  if (register.kind === 'table' && (name === 'base' || name === 'limit')) return { ...register, part: name };
  return undefined;
}

/** Names that may follow the dot. */
export function registerPartNames(register: RegisterReference): readonly string[] {
  if (register.kind === 'segment') return PART_NAMES;
  if (register.kind === 'table') return ['base', 'limit'];
  return registerBits(register).map((bit) => bit.name);
}

/** Named bits of flags and control registers. */
export function registerBits(register: RegisterReference): readonly BitRange[] {
  if (register.kind === 'rflags') return [...namedBits(REGISTER_BITS.RFLAGS), { name: 'IOPL', low: 12, high: 13 }];
  if (register.kind !== 'control') return [];
  if (register.name === 'CR0' || register.name === 'CR4' || register.name === 'EFER') {
    return namedBits(REGISTER_BITS[register.name]);
  }
  return [];
}

/** Width of the value in bits. */
export function registerWidth(register: RegisterReference): 8 | 16 | 32 | 64 {
  switch (register.kind) {
    case 'general':
    case 'rip':
    case 'rflags':
    case 'unit':
      return register.bits;
    case 'segment':
      return register.part === 'selector' ? 16 : register.part === 'base' ? 64 : 32;
    case 'table':
      return register.part === 'base' ? 64 : 16;
    case 'cpl':
      return 8;
    case 'control':
      return 64;
  }
}

/** Reads a register of a layer; an unsigned value of `registerWidth` bits. */
export function readRegister(state: LayerState, register: RegisterReference): bigint {
  switch (register.kind) {
    case 'general':
      return BigInt.asUintN(register.bits, state.gpr(register.number) >> BigInt(register.shift));
    case 'rip':
      return BigInt.asUintN(register.bits, state.rip);
    case 'rflags':
      return BigInt.asUintN(register.bits, state.rflags);
    case 'control':
      return BigInt.asUintN(64, state.control(register.name));
    case 'segment': {
      const value = state.segment(register.name)[register.part];
      return typeof value === 'bigint' ? BigInt.asUintN(64, value) : BigInt(value >>> 0);
    }
    case 'table': {
      const table = register.name === 'gdtr' ? state.gdtr : state.idtr;
      return register.part === 'base' ? BigInt.asUintN(64, table.base) : BigInt(table.limit >>> 0);
    }
    case 'unit':
      return state.unit(register.name) ?? 0n;
    case 'cpl':
      return BigInt((state.segment('SS').access >>> 5) & 3);
  }
}
