/** `.debug_info` units, abbreviations and attributes of DWARF 2 to 5; debugging entries are read on demand. */
import { Cursor } from './cursor';
import { AT, TAG } from './dwarf-constants';
import { readForm, type FormValue, type UnitEncoding } from './dwarf-form';
import { StringTable } from './string-table';

/** Section contents by name; undefined where a section is missing or damaged. */
export type SectionSource = (name: string) => Uint8Array | undefined;

interface AttributeSpec {
  readonly attribute: number;
  readonly form: number;
  readonly implicit: bigint;
}

interface Abbreviation {
  readonly tag: number;
  readonly children: boolean;
  readonly attributes: readonly AttributeSpec[];
}

export interface Unit extends UnitEncoding {
  /** First debugging entry and end of the unit, offsets in .debug_info. */
  readonly first: number;
  readonly end: number;
  readonly abbreviations: ReadonlyMap<number, Abbreviation>;
  readonly root: Entry;
  readonly name: string;
  readonly directory: string;
  readonly language: number;
  readonly lineTable: number | undefined;
  readonly lowPc: bigint | undefined;
  readonly addressBase: number;
  readonly rangesBase: number;
  readonly stringOffsetsBase: number;
}

export interface Entry {
  readonly offset: number;
  readonly tag: number;
  readonly children: boolean;
  readonly attributes: ReadonlyMap<number, FormValue>;
}

export interface Problem {
  readonly section: string;
  readonly offset: number;
  readonly what: string;
}

const NO_ATTRIBUTES: ReadonlyMap<number, FormValue> = new Map();
const END_OF_CHILDREN = 0;
/** Real entries have some twenty; many attributes of no size would make tiny entries costly. */
const MAXIMUM_ATTRIBUTES = 128;
const UT_TYPE = 2;
const UT_SKELETON = 4;
const UT_SPLIT_COMPILE = 5;
const UT_SPLIT_TYPE = 6;

export class DebugInfo {
  readonly units: Unit[] = [];
  readonly problems: Problem[] = [];
  readonly #info: Uint8Array;
  readonly #abbreviations = new Map<number, ReadonlyMap<number, Abbreviation>>();
  readonly #strings = new Map<string, StringTable | undefined>();
  #abbreviationBudget: number;
  #rangeBudget: number;

  constructor(readonly section: SectionSource) {
    this.#info = section('.debug_info') ?? new Uint8Array(0);
    // Units may share abbreviation tables at the same offset; tables that overlap otherwise are damage.
    this.#abbreviationBudget = 4 * (section('.debug_abbrev')?.length ?? 0) + 0x1000;
    this.#rangeBudget = 4096 + (section('.debug_ranges')?.length ?? 0) + (section('.debug_rnglists')?.length ?? 0);
    this.#readUnits();
  }

  /** Accounts for one range read from a list: many entries may point at one long list. False when it is one too many. */
  spendRange(): boolean {
    return this.#rangeBudget-- > 0;
  }

  #problem(section: string, offset: number, what: string): void {
    this.problems.push({ section, offset, what });
  }

  #readUnits(): void {
    const cursor = new Cursor(this.#info);
    while (cursor.more) {
      const start = cursor.position;
      let offsetSize: 4 | 8 = 4;
      let length = cursor.u32();
      if (length === 0xffff_ffff) {
        offsetSize = 8;
        length = cursor.offset64();
      }
      const end = cursor.position + length;
      if (cursor.failed || end > this.#info.length) {
        this.#problem('.debug_info', start, 'a unit is longer than its section');
        return;
      }
      this.#readUnit(start, cursor.position, end, offsetSize);
      cursor.position = end;
    }
  }

  #readUnit(start: number, at: number, end: number, offsetSize: 4 | 8): void {
    const cursor = new Cursor(this.#info, at, end);
    const version = cursor.u16();
    if (version < 2 || version > 5) {
      this.#problem('.debug_info', start, `unit version ${version} is not one of 2 to 5`);
      return;
    }
    let abbreviationOffset: number;
    let addressSize: number;
    if (version >= 5) {
      const type = cursor.u8();
      addressSize = cursor.u8();
      abbreviationOffset = cursor.offset(offsetSize);
      if (type === UT_SKELETON || type === UT_SPLIT_COMPILE) cursor.skip(8);
      if (type === UT_TYPE || type === UT_SPLIT_TYPE) cursor.skip(8 + offsetSize);
    } else {
      abbreviationOffset = cursor.offset(offsetSize);
      addressSize = cursor.u8();
    }
    if (cursor.failed || (addressSize !== 4 && addressSize !== 8)) {
      this.#problem('.debug_info', start, 'a unit header is damaged');
      return;
    }
    const abbreviations = this.#abbreviationTable(abbreviationOffset);
    if (abbreviations === undefined) {
      this.#problem('.debug_abbrev', abbreviationOffset, 'an abbreviation table is damaged');
      return;
    }
    const bare = { version, offsetSize, addressSize, start, first: cursor.position, end, abbreviations };
    const root = this.#readEntry(cursor, bare, abbreviations);
    if (root === undefined || root === END_OF_CHILDREN) {
      this.#problem('.debug_info', start, 'the first entry of a unit is damaged');
      return;
    }
    const offsetOf = (attribute: number, fallback: number): number => {
      const value = root.attributes.get(attribute);
      if (value?.kind === 'section-offset') return value.offset;
      // DWARF 2 and 3 wrote section offsets as data4 and data8.
      return value?.kind === 'constant' && value.value <= 0xffff_ffff_ffffn ? Number(value.value) : fallback;
    };
    // Without the attribute the tables begin after one header, as split units have it.
    const header = offsetSize === 8 ? 16 : 8;
    const unit: Unit = {
      ...bare,
      root,
      name: '',
      directory: '',
      language: 0,
      lowPc: undefined,
      lineTable: root.attributes.has(AT.stmt_list) ? offsetOf(AT.stmt_list, 0) : undefined,
      addressBase: offsetOf(AT.addr_base, header),
      rangesBase: offsetOf(AT.rnglists_base, header + 4),
      stringOffsetsBase: offsetOf(AT.str_offsets_base, header),
    };
    const language = root.attributes.get(AT.language);
    this.units.push({
      ...unit,
      name: this.text(unit, root.attributes.get(AT.name)) ?? '',
      directory: this.text(unit, root.attributes.get(AT.comp_dir)) ?? '',
      language: language?.kind === 'constant' ? Number(language.value) : 0,
      lowPc: this.address(unit, root.attributes.get(AT.low_pc)),
    });
  }

  #abbreviationTable(offset: number): ReadonlyMap<number, Abbreviation> | undefined {
    const known = this.#abbreviations.get(offset);
    if (known !== undefined) return known;
    const bytes = this.section('.debug_abbrev');
    if (bytes === undefined || this.#abbreviationBudget <= 0) return undefined;
    const cursor = new Cursor(bytes, offset);
    const table = new Map<number, Abbreviation>();
    for (let code = cursor.uleb(); code !== 0; code = cursor.uleb()) {
      const tag = cursor.uleb();
      const children = cursor.u8() !== 0;
      const attributes: AttributeSpec[] = [];
      for (;;) {
        const attribute = cursor.uleb();
        const form = cursor.uleb();
        const implicit = form === 0x21 ? cursor.slebBig() : 0n;
        if ((attribute === 0 && form === 0) || cursor.failed) break;
        attributes.push({ attribute, form, implicit });
        if (attributes.length > MAXIMUM_ATTRIBUTES) cursor.fail();
      }
      table.set(code, { tag, children, attributes });
    }
    this.#abbreviationBudget -= cursor.position - offset;
    if (cursor.failed) return undefined;
    this.#abbreviations.set(offset, table);
    return table;
  }

  /** The entry at the cursor, END_OF_CHILDREN for the null entry, undefined where it is damaged. */
  #readEntry(
    cursor: Cursor,
    unit: UnitEncoding,
    abbreviations: ReadonlyMap<number, Abbreviation>,
    wanted?: (tag: number) => boolean,
  ): Entry | typeof END_OF_CHILDREN | undefined {
    const offset = cursor.position;
    const code = cursor.uleb();
    if (cursor.failed) return undefined;
    if (code === 0) return END_OF_CHILDREN;
    const abbreviation = abbreviations.get(code);
    if (abbreviation === undefined) return undefined;
    const { tag, children } = abbreviation;
    const keep = wanted === undefined || wanted(tag);
    const attributes = new Map<number, FormValue>();
    for (const { attribute, form, implicit } of abbreviation.attributes) {
      const value = readForm(cursor, form, unit, implicit);
      if (keep) attributes.set(attribute, value);
    }
    if (cursor.failed) return undefined;
    return { offset, tag, children, attributes: keep ? attributes : NO_ATTRIBUTES };
  }

  /**
   * Visits a unit's entries in order with their depth (the root is 0). Attributes are filled only for wanted tags.
   * Damage ends the walk and is added to `problems`.
   */
  walk(unit: Unit, wanted: (tag: number) => boolean, visit: (entry: Entry, depth: number) => void): void {
    const cursor = new Cursor(this.#info, unit.first, unit.end);
    let depth = 0;
    while (cursor.more) {
      const offset = cursor.position;
      const entry = this.#readEntry(cursor, unit, unit.abbreviations, wanted);
      if (entry === undefined) {
        this.#problem('.debug_info', offset, 'a debugging entry is damaged');
        return;
      }
      if (entry === END_OF_CHILDREN) {
        if (--depth <= 0) return;
        continue;
      }
      visit(entry, depth);
      if (entry.children) depth++;
      else if (depth === 0) return;
    }
  }

  /** The entry at an offset of .debug_info, with its unit. */
  entryAt(offset: number): { readonly unit: Unit; readonly entry: Entry } | undefined {
    const unit = this.unitAt(offset);
    if (unit === undefined || offset < unit.first) return undefined;
    const entry = this.#readEntry(new Cursor(this.#info, offset, unit.end), unit, unit.abbreviations);
    return entry === undefined || entry === END_OF_CHILDREN ? undefined : { unit, entry };
  }

  unitAt(offset: number): Unit | undefined {
    let low = 0;
    let high = this.units.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.units[middle].start <= offset) low = middle + 1;
      else high = middle;
    }
    const unit = this.units[low - 1];
    return unit !== undefined && offset < unit.end ? unit : undefined;
  }

  /** Compile units that may describe code, partial ones included. */
  get compileUnits(): readonly Unit[] {
    return this.units.filter((unit) => unit.root.tag === TAG.compile_unit || unit.root.tag === TAG.skeleton_unit);
  }

  strings(name: '.debug_str' | '.debug_line_str'): StringTable | undefined {
    if (!this.#strings.has(name)) {
      const bytes = this.section(name);
      this.#strings.set(name, bytes === undefined ? undefined : new StringTable(bytes));
    }
    return this.#strings.get(name);
  }

  text(unit: Unit, value: FormValue | undefined): string | undefined {
    switch (value?.kind) {
      case 'string':
        return value.text;
      case 'string-offset':
        return this.strings(value.section)?.at(value.offset);
      case 'string-index': {
        const table = this.section('.debug_str_offsets');
        if (table === undefined) return undefined;
        const cursor = new Cursor(table, unit.stringOffsetsBase + value.index * unit.offsetSize);
        const offset = cursor.offset(unit.offsetSize);
        return cursor.failed ? undefined : this.strings('.debug_str')?.at(offset);
      }
      default:
        return undefined;
    }
  }

  address(unit: Unit, value: FormValue | undefined): bigint | undefined {
    if (value?.kind === 'address') return value.value;
    return value?.kind === 'address-index' ? this.indexedAddress(unit, value.index) : undefined;
  }

  indexedAddress(unit: Unit, index: number): bigint | undefined {
    const table = this.section('.debug_addr');
    if (table === undefined) return undefined;
    const cursor = new Cursor(table, unit.addressBase + index * unit.addressSize);
    const address = cursor.unsigned(unit.addressSize);
    return cursor.failed ? undefined : address;
  }
}
