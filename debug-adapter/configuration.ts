import { resolve } from 'node:path';
import { MAX_PROCESSORS, MAX_RAM } from '../emulator/state/layout';
import { CPU_MODEL_NAMES, CPU_MODELS, type CpuModelName } from '../emulator/tables/cpu-models';
import { requestErrors } from './errors';
import { parseNumber } from './format';
import { violation, type Schema } from './schema';

/** Which layers and addresses a symbol file speaks for; several at once are contradictory. */
export type SymbolScope =
  | { readonly kind: 'any' }
  | { readonly kind: 'layer'; readonly level: number }
  | { readonly kind: 'vmcs'; readonly vmcs: bigint }
  | { readonly kind: 'cr3'; readonly cr3: bigint }
  | { readonly kind: 'range'; readonly start: bigint; readonly end: bigint };

export interface SymbolFile {
  readonly file: string;
  readonly scope: SymbolScope;
  /** Added to every address of the file. */
  readonly loadBias: bigint;
}

export interface ModuleFile {
  readonly file: string;
  readonly cmdline: string;
}

export interface LaunchConfiguration {
  readonly program: string;
  readonly symbols: readonly SymbolFile[];
  /** Bytes. */
  readonly memory: number;
  readonly cpus: number;
  readonly cpuModel: CpuModelName;
  readonly cmdline: string;
  readonly modules: readonly ModuleFile[];
  readonly loadAddress: bigint | undefined;
  readonly entry: bigint | undefined;
  readonly stopOnEntry: boolean;
  /** Conditions; the machine stops at a transition for which one is true. */
  readonly exitBreakpoints: readonly string[];
  readonly serial: 'console' | { readonly file: string };
  readonly seed: bigint;
  /** Run without stopping for anything. */
  readonly noDebug: boolean;
}

const ADDRESS: Schema = {
  anyOf: [
    {
      type: 'string',
      pattern: '^(0[xX][0-9a-fA-F_]+|[0-9][0-9_]*)$',
      patternErrorMessage: 'an address such as "0x100000"',
    },
    { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
  ],
};
const address = (description: string): Schema => ({ description, ...ADDRESS });

/** Every launch setting: the editor's schema, and what `readConfiguration` checks against. */
export const launchAttributes = {
  type: 'object',
  additionalProperties: false,
  required: ['program'],
  properties: {
    program: {
      type: 'string',
      pattern: '.',
      patternErrorMessage: 'the path of an image',
      description: 'The image to boot: a multiboot ELF file, or a flat binary with "loadAddress" and "entry".',
    },
    symbols: {
      type: 'array',
      default: [],
      description:
        'More files with symbols, each for the layer, VMCS, CR3 or addresses it belongs to. The program speaks for itself.',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['file'],
        properties: {
          file: { type: 'string', description: 'The ELF file with symbols or DWARF.' },
          layer: {
            type: 'integer',
            minimum: 0,
            maximum: 16,
            description: 'The level whose code this is: 0 is VMX root, 1 its guests.',
          },
          vmcs: address('Physical address of the VMCS whose guest this is.'),
          cr3: address('CR3 of the address space this is in.'),
          addressRange: {
            type: 'string',
            pattern: '^\\s*\\w+\\s*(\\.\\.|-)\\s*\\w+\\s*$',
            patternErrorMessage: 'two linear addresses such as "0x100000..0x1fffff"',
            description: 'Linear addresses this is good for, in any layer: "0x100000..0x1fffff".',
          },
          loadBias: {
            description: 'Added to every address of the file; negative where it runs below its link address.',
            anyOf: [
              {
                type: 'string',
                pattern: '^-?(0[xX][0-9a-fA-F_]+|[0-9][0-9_]*)$',
                patternErrorMessage: 'a number such as "0x200000" or "-0x1000"',
              },
              { type: 'integer' },
            ],
          },
        },
      },
    },
    memory: {
      type: 'string',
      default: '512M',
      pattern: '^[0-9]+\\s*([KkMmGg]([Ii]?[Bb])?)?$',
      patternErrorMessage: 'a size such as "512M" or "2G"',
      description: 'RAM of the machine, at most 3G: "512M".',
    },
    cpus: {
      type: 'integer',
      default: 1,
      minimum: 1,
      maximum: MAX_PROCESSORS,
      description: `Number of processors, at most ${MAX_PROCESSORS}.`,
    },
    cpuModel: {
      type: 'string',
      default: 'strata',
      enum: [...CPU_MODEL_NAMES],
      description: `Processor: ${CPU_MODEL_NAMES.map((name) => `"${name}" is ${CPU_MODELS[name].title}`).join('; ')}.`,
    },
    cmdline: { type: 'string', default: '', description: 'Command line given to the program by the boot loader.' },
    modules: {
      type: 'array',
      default: [],
      description: 'Files the boot loader puts into memory beside the program.',
      items: {
        anyOf: [
          { type: 'string', pattern: '.', patternErrorMessage: 'a path' },
          {
            type: 'object',
            additionalProperties: false,
            required: ['file'],
            properties: {
              file: { type: 'string', description: 'Path of the module.' },
              cmdline: { type: 'string', description: "The module's own command line." },
            },
          },
        ],
      },
    },
    loadAddress: address('Physical address a flat binary is put at.'),
    entry: address('Address a flat binary is entered at; "loadAddress" if absent.'),
    stopOnEntry: { type: 'boolean', default: false, description: 'Stop before the first instruction.' },
    exitBreakpoints: {
      type: 'array',
      default: [],
      items: { type: 'string' },
      description:
        'Stop at VM exits and entries for which one of these conditions is true: "exit == CPUID && rax == 0".',
    },
    serial: {
      default: 'console',
      description: 'Where the serial port goes: the debug console, or a file.',
      anyOf: [
        { type: 'string', enum: ['console'] },
        {
          type: 'object',
          additionalProperties: false,
          required: ['file'],
          properties: { file: { type: 'string', description: 'File the output is written to.' } },
        },
      ],
    },
    seed: {
      default: 0,
      description: "Seed of the machine's only source of randomness.",
      ...ADDRESS,
    },
  },
} as const satisfies Schema;

/** Keys of every launch configuration, which the editor itself reads. */
const EDITOR_KEYS: ReadonlySet<string> = new Set(
  (
    'type name request noDebug preLaunchTask postDebugTask internalConsoleOptions presentation debugServer serverReadyAction ' +
    'suppressMultipleSessionView windows linux osx restart'
  ).split(' '),
);

function asAddress(value: unknown): bigint | undefined {
  if (typeof value === 'number') return BigInt(value);
  return typeof value === 'string' ? parseNumber(value) : undefined;
}

/** Bytes of "512M"; a plain number is bytes. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+)\s*([kmg]?)(i?b)?$/i.exec(text.trim());
  if (match === null) return undefined;
  return (
    Number(match[1]) * { '': 1, k: 0x400, m: 0x10_0000, g: 0x4000_0000 }[match[2].toLowerCase() as '' | 'k' | 'm' | 'g']
  );
}

type Values = Readonly<Record<string, unknown>>;
const fail = (sentence: string): never => {
  throw requestErrors.badConfiguration(sentence);
};

function symbolFile(values: Values, index: number, base: string): SymbolFile {
  const selectors = ['layer', 'vmcs', 'cr3', 'addressRange'].filter((key) => values[key] !== undefined);
  if (selectors.length > 1) {
    fail(`"symbols[${index}]" has both "${selectors[0]}" and "${selectors[1]}": give one, or two entries.`);
  }
  let scope: SymbolScope = { kind: 'any' };
  if (values.layer !== undefined) scope = { kind: 'layer', level: values.layer as number };
  else if (values.vmcs !== undefined) scope = { kind: 'vmcs', vmcs: asAddress(values.vmcs) ?? 0n };
  else if (values.cr3 !== undefined) scope = { kind: 'cr3', cr3: asAddress(values.cr3) ?? 0n };
  else if (values.addressRange !== undefined) {
    const [first, last] = (values.addressRange as string).split(/\.\.|-/).map((part) => parseNumber(part));
    if (first === undefined || last === undefined || first > last) {
      return fail(
        `"symbols[${index}].addressRange" must be two linear addresses, the lower one first: "0x1000..0x1fff".`,
      );
    }
    scope = { kind: 'range', start: first, end: last };
  }
  return { file: resolve(base, values.file as string), scope, loadBias: asAddress(values.loadBias) ?? 0n };
}

/**
 * Checks a launch configuration. Throws a `RequestError` whose sentence names the key and the remedy. Relative paths are
 * taken from `base`.
 */
export function readConfiguration(values: Values, base: string = process.cwd()): LaunchConfiguration {
  const wrong = violation(launchAttributes, values, '', (key) => EDITOR_KEYS.has(key) || key.startsWith('__'));
  if (wrong !== undefined) fail(`Launch configuration: ${wrong}`);

  const memory = parseSize((values.memory as string | undefined) ?? launchAttributes.properties.memory.default) ?? 0;
  if (memory % 0x1_0000 !== 0 || memory < 0x10_0000) {
    fail(`Launch configuration: "memory" must be a multiple of 64K and at least 1M, not "${String(values.memory)}".`);
  }
  if (memory > MAX_RAM) fail(`Launch configuration: "memory" can be at most 3G, not "${String(values.memory)}".`);

  const loadAddress = asAddress(values.loadAddress);
  const entry = asAddress(values.entry);
  if (entry !== undefined && loadAddress === undefined) {
    fail(
      'Launch configuration: "entry" needs "loadAddress": both are for flat binaries, an ELF file has its own entry.',
    );
  }
  const seed = asAddress(values.seed) ?? 0n;
  const serial = values.serial as 'console' | { readonly file: string } | undefined;
  return {
    program: resolve(base, values.program as string),
    symbols: ((values.symbols as readonly Values[] | undefined) ?? []).map((item, index) =>
      symbolFile(item, index, base),
    ),
    memory,
    cpus: (values.cpus as number | undefined) ?? 1,
    cpuModel: (values.cpuModel as CpuModelName | undefined) ?? 'strata',
    cmdline: (values.cmdline as string | undefined) ?? '',
    modules: ((values.modules as readonly (string | Values)[] | undefined) ?? []).map((item) =>
      typeof item === 'string'
        ? { file: resolve(base, item), cmdline: '' }
        : { file: resolve(base, item.file as string), cmdline: (item.cmdline as string | undefined) ?? '' },
    ),
    loadAddress,
    entry,
    stopOnEntry: (values.stopOnEntry as boolean | undefined) ?? false,
    exitBreakpoints: (values.exitBreakpoints as readonly string[] | undefined) ?? [],
    serial: typeof serial === 'object' ? { file: resolve(base, serial.file) } : 'console',
    seed,
    noDebug: values.noDebug === true,
  };
}
