/** Subprograms and their inlined calls, with names resolved through declarations and abstract origins. */
import { rangesOf } from './address-ranges';
import type { DebugInfo, Entry, Unit } from './debug-info';
import { AT, TAG } from './dwarf-constants';
import type { FormValue } from './dwarf-form';
import type { AddressRange } from './elf';

/** A call the compiler put in line. */
export interface InlinedCall {
  readonly name: string;
  readonly linkageName: string | undefined;
  readonly ranges: readonly AddressRange[];
  /** Where the call stands: file register of the unit's line table, line, column. */
  readonly callFile: number;
  readonly callLine: number;
  readonly callColumn: number;
  readonly declarationLine: number | undefined;
  /** Calls in line within this one. */
  readonly inlined: readonly InlinedCall[];
}

export interface DwarfFunction {
  readonly name: string;
  readonly linkageName: string | undefined;
  /** Entry point and the end of its range, before any load bias. */
  readonly low: bigint;
  readonly high: bigint;
  /** All ranges: more than one where cold parts were moved away. */
  readonly ranges: readonly AddressRange[];
  readonly declarationFile: number | undefined;
  readonly declarationLine: number | undefined;
  readonly external: boolean;
  readonly unit: Unit;
  readonly inlined: readonly InlinedCall[];
}

const AT_EXTERNAL = 0x3f;
/** Declaration, abstract instance, concrete instance: real chains have at most this many links. */
const MAXIMUM_CHAIN = 8;

interface Described {
  name: string | undefined;
  linkageName: string | undefined;
  declarationFile: number | undefined;
  declarationLine: number | undefined;
  external: boolean;
}

interface Located {
  readonly unit: Unit;
  readonly entry: Entry;
}

interface OpenCall extends InlinedCall {
  readonly inlined: OpenCall[];
}

interface OpenFunction extends DwarfFunction {
  readonly inlined: OpenCall[];
}

/** Follows specification and abstract_origin until everything is known. */
function describe(info: DebugInfo, unit: Unit, entry: Entry): Described {
  const described: Described = {
    name: undefined,
    linkageName: undefined,
    declarationFile: undefined,
    declarationLine: undefined,
    external: false,
  };
  let at: Located | undefined = { unit, entry };
  for (let links = 0; at !== undefined && links < MAXIMUM_CHAIN; links++) {
    const attributes: Entry['attributes'] = at.entry.attributes;
    described.name ??= info.text(at.unit, attributes.get(AT.name));
    described.linkageName ??= info.text(
      at.unit,
      attributes.get(AT.linkage_name) ?? attributes.get(AT.MIPS_linkage_name),
    );
    described.declarationFile ??= number(attributes.get(AT.decl_file));
    described.declarationLine ??= number(attributes.get(AT.decl_line));
    described.external ||= attributes.get(AT_EXTERNAL) !== undefined;
    const next: FormValue | undefined = attributes.get(AT.abstract_origin) ?? attributes.get(AT.specification);
    at = next?.kind === 'reference' ? info.entryAt(next.offset) : undefined;
  }
  return described;
}

function number(value: FormValue | undefined): number | undefined {
  return value?.kind === 'constant' && value.value <= 0xffff_ffffn ? Number(value.value) : undefined;
}

const isWanted = (tag: number): boolean => tag === TAG.subprogram || tag === TAG.inlined_subroutine;

/** Functions of one unit that have code, in the order of their entries. */
export function functionsOf(info: DebugInfo, unit: Unit): readonly DwarfFunction[] {
  const functions: OpenFunction[] = [];
  // Enclosing subprogram or inlined calls by depth; lexical blocks between them leave no mark.
  const open: { readonly depth: number; readonly inlined: OpenCall[] }[] = [];
  info.walk(unit, isWanted, (entry, depth) => {
    while (open.length > 0 && open[open.length - 1].depth >= depth) open.pop();
    if (entry.tag === TAG.subprogram) {
      const ranges = rangesOf(info, unit, entry);
      if (ranges.length === 0) return;
      const described = describe(info, unit, entry);
      const entryPc = info.address(unit, entry.attributes.get(AT.entry_pc)) ?? ranges[0].low;
      const main = ranges.find((range) => range.low <= entryPc && entryPc < range.high) ?? ranges[0];
      const inlined: OpenCall[] = [];
      functions.push({
        name: described.name ?? described.linkageName ?? '',
        linkageName: described.linkageName,
        low: main.low,
        high: main.high,
        ranges,
        declarationFile: described.declarationFile,
        declarationLine: described.declarationLine,
        external: described.external,
        unit,
        inlined,
      });
      open.push({ depth, inlined });
    } else if (entry.tag === TAG.inlined_subroutine && open.length > 0) {
      const ranges = rangesOf(info, unit, entry);
      if (ranges.length === 0) return;
      const described = describe(info, unit, entry);
      const call: OpenCall = {
        name: described.name ?? described.linkageName ?? '',
        linkageName: described.linkageName,
        ranges,
        callFile: number(entry.attributes.get(AT.call_file)) ?? 0,
        callLine: number(entry.attributes.get(AT.call_line)) ?? 0,
        callColumn: number(entry.attributes.get(AT.call_column)) ?? 0,
        declarationLine: described.declarationLine,
        inlined: [],
      };
      open[open.length - 1].inlined.push(call);
      open.push({ depth, inlined: call.inlined });
    }
  });
  return functions;
}

export function contains(ranges: readonly AddressRange[], address: bigint): boolean {
  return ranges.some((range) => range.low <= address && address < range.high);
}
