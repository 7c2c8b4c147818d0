import { controlWord, describeControls } from '../../tables/vmx-controls';
import type { ControlWord } from '../../tables/vmx-controls';
import { hexOf, nameOf } from './check';
import type { CheckRow } from './check';
import type { VmcsReader } from './reader';

function missing(v: VmcsReader, word: ControlWord, encoding: number): bigint {
  const { mustBeOne } = v.limits.controls[word];
  return ((BigInt(mustBeOne.high) << 32n) | BigInt(mustBeOne.low)) & ~v.field(encoding);
}

function excess(v: VmcsReader, word: ControlWord, encoding: number): bigint {
  const { mayBeOne } = v.limits.controls[word];
  return v.field(encoding) & ~((BigInt(mayBeOne.high) << 32n) | BigInt(mayBeOne.low));
}

function bitList(value: bigint): string {
  const bits: number[] = [];
  for (let bit = 0; bit < 64; bit++) if (((value >> BigInt(bit)) & 1n) === 1n) bits.push(bit);
  return `bit${bits.length === 1 ? '' : 's'} ${bits.join(', ')}`;
}

function named(word: ControlWord, value: bigint): string {
  const names = describeControls(word, value);
  return names === '' ? bitList(value) : `${bitList(value)} (${names})`;
}

/** Reserved bits of a control word are as its capability MSR says. */
export function reservedBits(
  id: string,
  word: ControlWord,
  msr: string,
  when?: { readonly test: (v: VmcsReader) => boolean; readonly fields: readonly number[]; readonly words: string },
): CheckRow {
  const { encoding, title } = controlWord(word);
  const name = nameOf(encoding);
  return {
    id,
    fields: [encoding, ...(when?.fields ?? [])],
    holds: (v) => {
      if (when !== undefined && !when.test(v)) return true;
      const { mustBeOne, mayBeOne } = v.limits.controls[word];
      const low = v.u32(encoding);
      if ((mustBeOne.low & ~low) !== 0 || (low & ~mayBeOne.low) !== 0) return false;
      const high = v.high32(encoding);
      return (mustBeOne.high & ~high) === 0 && (high & ~mayBeOne.high) === 0;
    },
    rule: `${when === undefined ? '' : `${when.words}, `}the reserved bits of the ${title.charAt(0).toLowerCase()}${title.slice(1)} are set as ${msr} reports.`,
    required: (v) => {
      const parts: string[] = [];
      const one = missing(v, word, encoding);
      const zero = excess(v, word, encoding);
      if (one !== 0n) parts.push(`${named(word, one)} = 1`);
      if (zero !== 0n) parts.push(`${named(word, zero)} = 0`);
      return parts.join('; ');
    },
    actual: (v) => {
      const parts: string[] = [];
      const one = missing(v, word, encoding);
      const zero = excess(v, word, encoding);
      if (one !== 0n) parts.push(`${bitList(one)} = 0`);
      if (zero !== 0n) parts.push(`${bitList(zero)} = 1`);
      return `${name} = ${hexOf(v, encoding)}: ${parts.join('; ')}`;
    },
    remedy: `Take ${name} through ${msr}: OR with bits 31:0 (must be 1), AND with bits 63:32 (may be 1).`,
  };
}
