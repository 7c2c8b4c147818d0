/** Which addresses an entry covers: low_pc and high_pc, `.debug_ranges` (to DWARF 4) or `.debug_rnglists` (DWARF 5). */
import { Cursor } from './cursor';
import type { DebugInfo, Entry, Unit } from './debug-info';
import { AT, RLE } from './dwarf-constants';
import type { AddressRange } from './elf';

export function rangesOf(info: DebugInfo, unit: Unit, entry: Entry): readonly AddressRange[] {
  const ranges = entry.attributes.get(AT.ranges);
  if (ranges !== undefined) {
    switch (ranges.kind) {
      case 'section-offset':
        return unit.version >= 5 ? rangeList(info, unit, ranges.offset) : oldRanges(info, unit, ranges.offset);
      case 'constant':
        return ranges.value > 0xffff_ffffn ? [] : oldRanges(info, unit, Number(ranges.value));
      case 'list-index': {
        const section = info.section('.debug_rnglists');
        if (section === undefined) return [];
        const cursor = new Cursor(section, unit.rangesBase + ranges.index * unit.offsetSize);
        const offset = cursor.offset(unit.offsetSize);
        return cursor.failed ? [] : rangeList(info, unit, unit.rangesBase + offset);
      }
      default:
        return [];
    }
  }
  const low = info.address(unit, entry.attributes.get(AT.low_pc));
  const highForm = entry.attributes.get(AT.high_pc);
  if (low === undefined || highForm === undefined) return [];
  // A constant is a length, an address an address.
  const high = highForm.kind === 'constant' ? low + highForm.value : info.address(unit, highForm);
  return high === undefined || high <= low ? [] : [{ low, high }];
}

function push(ranges: AddressRange[], low: bigint, high: bigint): void {
  if (high > low) ranges.push({ low, high });
}

function oldRanges(info: DebugInfo, unit: Unit, offset: number): readonly AddressRange[] {
  const section = info.section('.debug_ranges');
  if (section === undefined) return [];
  const cursor = new Cursor(section, offset);
  const ranges: AddressRange[] = [];
  const baseMarker = unit.addressSize === 4 ? 0xffff_ffffn : 0xffff_ffff_ffff_ffffn;
  let base = unit.lowPc ?? 0n;
  while (cursor.more && info.spendRange()) {
    const low = cursor.unsigned(unit.addressSize);
    const high = cursor.unsigned(unit.addressSize);
    if (cursor.failed || (low === 0n && high === 0n)) break;
    if (low === baseMarker) base = high;
    else push(ranges, base + low, base + high);
  }
  return ranges;
}

function rangeList(info: DebugInfo, unit: Unit, offset: number): readonly AddressRange[] {
  const section = info.section('.debug_rnglists');
  if (section === undefined) return [];
  const cursor = new Cursor(section, offset);
  const ranges: AddressRange[] = [];
  let base = unit.lowPc ?? 0n;
  while (cursor.more && info.spendRange()) {
    switch (cursor.u8()) {
      case RLE.end_of_list:
        return ranges;
      case RLE.base_addressx:
        base = info.indexedAddress(unit, cursor.uleb()) ?? 0n;
        break;
      case RLE.startx_endx: {
        const low = info.indexedAddress(unit, cursor.uleb());
        const high = info.indexedAddress(unit, cursor.uleb());
        if (low !== undefined && high !== undefined) push(ranges, low, high);
        break;
      }
      case RLE.startx_length: {
        const low = info.indexedAddress(unit, cursor.uleb());
        const length = cursor.ulebBig();
        if (low !== undefined) push(ranges, low, low + length);
        break;
      }
      case RLE.offset_pair: {
        const low = cursor.ulebBig();
        const high = cursor.ulebBig();
        push(ranges, base + low, base + high);
        break;
      }
      case RLE.base_address:
        base = cursor.unsigned(unit.addressSize);
        break;
      case RLE.start_end: {
        const low = cursor.unsigned(unit.addressSize);
        push(ranges, low, cursor.unsigned(unit.addressSize));
        break;
      }
      case RLE.start_length: {
        const low = cursor.unsigned(unit.addressSize);
        push(ranges, low, low + cursor.ulebBig());
        break;
      }
      default:
        return ranges;
    }
  }
  return ranges;
}
