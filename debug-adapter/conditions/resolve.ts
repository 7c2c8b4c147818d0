/** What a name in an expression means; refusals name what was expected and the nearest known name. */
import { EXIT_REASONS, exitReason, exitReasonByName } from '../../emulator/tables/exit-reasons';
import { unitRegister } from '../../emulator/machine/unit-registers';
import { fieldByName, VMCS_FIELDS } from '../../emulator/tables/vmcs-fields';
import { EXCEPTION_QUALIFICATIONS, QUALIFICATIONS } from '../../emulator/tables/vmx/qualifications';
import type { Expression, Subject } from './ast';
import { fieldBitNames } from './bit-names';
import type { NameSource } from './names';
import { nearest } from './nearest';
import { ParseFailure } from './parse-error';
import { REGISTER_NAMES, registerBits, registerByName, registerPart, registerPartNames } from './registers';

export const SUBJECTS: readonly Subject[] = ['exit', 'entry', 'error', 'qual', 'gpa', 'gla', 'layer', 'vmcs', 'time'];
export const FUNCTIONS = ['count', 'symbol'] as const;

const QUALIFICATION_PARTS: ReadonlySet<string> = new Set(
  [...QUALIFICATIONS.values(), ...EXCEPTION_QUALIFICATIONS.values()].flat().map((field) => field.name),
);

/** A name with the place it stands at. */
export interface PlacedName {
  readonly text: string;
  readonly offset: number;
}

export function unknownName(name: PlacedName, what: string, known: Iterable<string>): ParseFailure {
  const near = nearest(name.text, known);
  return new ParseFailure(name.offset, what, `'${name.text}' is not ${what}`, near && `did you mean '${near}'?`);
}

export function resolveReason(name: PlacedName): { readonly name: string; readonly number: number } {
  const reason = exitReasonByName(name.text);
  if (reason === undefined) {
    throw unknownName(
      name,
      'an exit reason',
      EXIT_REASONS.map((r) => r.name),
    );
  }
  return { name: reason.name, number: reason.number };
}

/** A bare name that is neither a keyword nor a function. */
export function resolveName(name: PlacedName, names: NameSource): Expression {
  const register = registerByName(name.text);
  if (register !== undefined) return { kind: 'register', name: name.text.toLowerCase(), register };
  if (names.isSymbol(name.text)) return { kind: 'symbol', name: name.text, quoted: false };
  const reason = exitReasonByName(name.text);
  if (reason !== undefined) {
    throw new ParseFailure(
      name.offset,
      `exit == ${reason.name}`,
      `'${name.text}' is an exit reason, which only compares with exit`,
    );
  }
  const field = fieldByName(name.text);
  if (field !== undefined) {
    throw new ParseFailure(name.offset, `vmcs.${field.name}`, `'${name.text}' is a VMCS field`);
  }
  const wide = unitRegister(name.text);
  if (wide !== undefined) {
    throw new ParseFailure(
      name.offset,
      'a register of at most 64 bits',
      `'${name.text}' has ${wide.bits} bits, and expressions have 64`,
    );
  }
  throw unknownName(name, 'a register, a symbol or a word of the condition language', candidates(names));
}

function* candidates(names: NameSource): Iterable<string> {
  yield* REGISTER_NAMES;
  yield* SUBJECTS;
  yield* FUNCTIONS;
  yield* names.symbolNames();
}

/** What `base.part` means. */
export function resolvePart(base: Expression, part: PlacedName): Expression {
  switch (base.kind) {
    case 'subject':
      if (base.subject === 'vmcs') return resolveField(part);
      if (base.subject === 'qual') return resolveQualification(part);
      break;
    case 'register': {
      const whole = registerPart(base.register, part.text);
      if (whole !== undefined)
        return { kind: 'register', name: `${base.name}.${part.text.toLowerCase()}`, register: whole };
      const bit = registerBits(base.register).find((b) => b.name.toLowerCase() === part.text.toLowerCase());
      if (bit !== undefined) return { kind: 'bits', of: base, ...bit };
      const known = registerPartNames(base.register);
      if (known.length === 0) break;
      throw unknownName(part, `a part of ${base.name} (${known.join(', ')})`, known);
    }
    case 'field': {
      const known = fieldBitNames(base.encoding);
      const bit = known.find((b) => b.name.toLowerCase() === part.text.toLowerCase());
      if (bit !== undefined) return { kind: 'bits', of: base, name: bit.name, low: bit.low, high: bit.high };
      if (known.length === 0) break;
      const names = known.map((b) => b.name);
      throw unknownName(part, `a part of ${base.name} (${listed(names)})`, names);
    }
  }
  throw new ParseFailure(part.offset - 1, 'an operator or the end', `nothing here has a part '${part.text}'`);
}

const LISTED = 12;

function listed(names: readonly string[]): string {
  return names.length <= LISTED ? names.join(', ') : `${names.slice(0, LISTED).join(', ')}, ...`;
}

function resolveField(name: PlacedName): Expression {
  const field = fieldByName(name.text);
  if (field !== undefined) return { kind: 'field', name: field.name, encoding: field.encoding };
  throw unknownName(
    name,
    'a VMCS field',
    VMCS_FIELDS.map((f) => f.name),
  );
}

function resolveQualification(name: PlacedName): Expression {
  for (const part of QUALIFICATION_PARTS) {
    if (part.toLowerCase() === name.text.toLowerCase()) return { kind: 'qualification', part };
  }
  throw unknownName(name, 'a part of an exit qualification', QUALIFICATION_PARTS);
}

/** Name of an exit reason by number, for printing values. */
export function reasonName(number: number): string | undefined {
  return exitReason(number)?.name;
}
