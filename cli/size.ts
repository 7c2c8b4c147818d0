import { MAX_PROCESSORS, MAX_RAM } from '../emulator/state/layout';
import { CPU_MODEL_NAMES, type CpuModelName } from '../emulator/tables/cpu-models';

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };
const GRANULE = 0x1_0000;

export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: string };

/** RAM size from '512M', '1G', '65536': a multiple of 64 KiB, at most 3 GiB. */
export function parseMemory(text: string): Parsed<number> {
  const match = /^(\d{1,15})\s*([KMG]?)(i?B)?$/i.exec(text.trim());
  if (!match) return { ok: false, error: `--memory ${text}: not a size; write for example 512M or 2G.` };
  const bytes = Number(match[1]) * UNITS[match[2].toUpperCase()];
  if (bytes < GRANULE || bytes > MAX_RAM || bytes % GRANULE !== 0) {
    return { ok: false, error: `--memory ${text}: RAM must be a multiple of 64K, at least 64K and at most 3G.` };
  }
  return { ok: true, value: bytes };
}

/** A count of instructions: decimal, with `_`, or with a K, M or G for powers of 1000. */
export function parseCount(option: string, text: string): Parsed<number> {
  const match = /^(\d+)([KMG]?)$/i.exec(text.replace(/(?<=\d)[_,](?=\d)/g, ''));
  const scale = { '': 1, K: 1e3, M: 1e6, G: 1e9 }[match?.[2].toUpperCase() ?? ''] ?? 1;
  const value = match ? Number(match[1]) * scale : NaN;
  if (!Number.isSafeInteger(value) || value < 1) {
    return { ok: false, error: `${option} ${text}: not a number of instructions; write for example 1000000 or 100M.` };
  }
  return { ok: true, value };
}

/** Seed of the machine's random source, 64 bits: decimal or 0x. */
export function parseSeed(option: string, text: string): Parsed<bigint> {
  if (/^(0x[0-9a-f]{1,16}|\d{1,20})$/i.test(text)) {
    const value = BigInt(text);
    if (value < 1n << 64n) return { ok: true, value };
  }
  return { ok: false, error: `${option} ${text}: not a number of at most 64 bits; write for example 7 or 0x1234.` };
}

/** How many processors. */
export function parseProcessors(option: string, text: string): Parsed<number> {
  const value = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= MAX_PROCESSORS) return { ok: true, value };
  return { ok: false, error: `${option} ${text}: the number of processors is 1 to ${MAX_PROCESSORS}.` };
}

/** A processor model by name. */
export function parseCpuModel(option: string, text: string): Parsed<CpuModelName> {
  const value = CPU_MODEL_NAMES.find((name) => name === text);
  if (value !== undefined) return { ok: true, value };
  return { ok: false, error: `${option} ${text}: not a processor model; there are ${CPU_MODEL_NAMES.join(', ')}.` };
}

/** A physical address: decimal or 0x. */
export function parseAddress(option: string, text: string): Parsed<number> {
  const value = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value)) {
    return { ok: false, error: `${option} ${text}: not an address; write for example 0x100000.` };
  }
  return { ok: true, value };
}
