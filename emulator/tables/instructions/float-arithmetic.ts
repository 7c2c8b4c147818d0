import type { CpuFeature } from '../cpuid-features';
import type { InstructionRow } from '../instruction-types';
import { sse, vex } from './vector-rows';

/** The four kinds of floating-point operands, with what their legacy forms need. */
const KINDS = [
  { suffix: 'PS', prefix: 'NP', feature: 'sse' },
  { suffix: 'PD', prefix: '66', feature: 'sse2' },
  { suffix: 'SS', prefix: 'F3', feature: 'sse' },
  { suffix: 'SD', prefix: 'F2', feature: 'sse2' },
] as const;

type Kind = (typeof KINDS)[number];

const isPacked = ({ suffix }: Kind): boolean => suffix.startsWith('P');
const type = ({ suffix }: Kind): string => suffix.toLowerCase();

/** An instruction in one kind: SSE, and AVX with VEX.vvvv where `first` says that it has a first source. Scalars always have one. */
const inKind = (
  kind: Kind,
  opcode: string,
  name: string,
  first: boolean,
  immediate = '',
): readonly InstructionRow[] => {
  const { prefix, suffix, feature } = kind;
  const place = { prefix, map: '0F', opcode } as const;
  const mnemonic = name + suffix;
  const key = mnemonic.toLowerCase();
  const t = type(kind);
  const vexOperands = `V${t} ${first || !isPacked(kind) ? `H${t} ` : ''}W${t}${immediate}`;
  const legacy = sse(place, mnemonic, `V${t} W${t}${immediate}`, key, feature);
  if (!isPacked(kind)) return [legacy, vex('LIG', 'WIG', place, mnemonic, vexOperands, key, 'avx')];
  return [
    legacy,
    vex('128', 'WIG', place, mnemonic, vexOperands, key, 'avx'),
    vex('256', 'WIG', place, mnemonic, vexOperands, key, 'avx'),
  ];
};

const inKinds = (
  suffixes: string,
  opcode: string,
  name: string,
  first: boolean,
  immediate = '',
): readonly InstructionRow[] =>
  KINDS.filter(({ suffix }) => suffixes.includes(suffix)).flatMap((kind) =>
    inKind(kind, opcode, name, first, immediate),
  );

const ALL = 'PS PD SS SD';

/** Packed logic is the same for all elements: it shares the integers' semantics. */
const logic = (opcode: string, name: string, key: string): readonly InstructionRow[] =>
  KINDS.filter(isPacked).flatMap(({ prefix, suffix, feature }) => {
    const place = { prefix, map: '0F', opcode: `${opcode} /r` } as const;
    return [
      sse(place, name + suffix, 'Vx Wx', key, feature),
      vex('128', 'WIG', place, name + suffix, 'Vx Hx Wx', key, 'avx'),
      vex('256', 'WIG', place, name + suffix, 'Vx Hx Wx', key, 'avx'),
    ];
  });

const ordered = (opcode: string, name: string): readonly InstructionRow[] =>
  (
    [
      ['NP', 'ss', 'sse'],
      ['66', 'sd', 'sse2'],
    ] as const
  ).flatMap(([prefix, t, feature]) => {
    const place = { prefix, map: '0F', opcode: `${opcode} /r` } as const;
    const mnemonic = name + t.toUpperCase();
    const operands = `V${t} W${t}`;
    const key = mnemonic.toLowerCase();
    return [sse(place, mnemonic, operands, key, feature), vex('LIG', 'WIG', place, mnemonic, operands, key, 'avx')];
  });

/** Horizontal and alternating operations of SSE3: PD with 66, PS with F2. */
const horizontal = (opcode: string, name: string): readonly InstructionRow[] =>
  (
    [
      ['66', 'PD'],
      ['F2', 'PS'],
    ] as const
  ).flatMap(([prefix, suffix]) => {
    const place = { prefix, map: '0F', opcode: `${opcode} /r` } as const;
    const mnemonic = name + suffix;
    const key = mnemonic.toLowerCase();
    return [
      sse(place, mnemonic, 'Vx Wx', key, 'sse3'),
      vex('128', 'WIG', place, mnemonic, 'Vx Hx Wx', key, 'avx'),
      vex('256', 'WIG', place, mnemonic, 'Vx Hx Wx', key, 'avx'),
    ];
  });

/** SSE4.1 in map 0F 3A with an immediate. */
const sse41 = (
  opcode: string,
  mnemonic: string,
  operands: string,
  vexOperands: string,
  lengths: readonly ('128' | '256' | 'LIG')[],
): readonly InstructionRow[] => {
  const place = { prefix: '66', map: '0F 3A', opcode: `${opcode} /r` } as const;
  const key = mnemonic.toLowerCase();
  return [
    sse(place, mnemonic, operands, key, 'sse4.1'),
    ...lengths.map((length) => vex(length, 'WIG', place, mnemonic, vexOperands, key, 'avx')),
  ];
};

/** Floating-point arithmetic, comparison and logic of SSE to SSE4.1 and AVX. */
export const FLOAT_ARITHMETIC_ROWS: readonly InstructionRow[] = [
  ...inKinds(ALL, '51 /r', 'SQRT', false),
  ...inKinds('PS SS', '52 /r', 'RSQRT', false),
  ...inKinds('PS SS', '53 /r', 'RCP', false),
  ...logic('54', 'AND', 'pand'),
  ...logic('55', 'ANDN', 'pandn'),
  ...logic('56', 'OR', 'por'),
  ...logic('57', 'XOR', 'pxor'),
  ...inKinds(ALL, '58 /r', 'ADD', true),
  ...inKinds(ALL, '59 /r', 'MUL', true),
  ...inKinds(ALL, '5C /r', 'SUB', true),
  ...inKinds(ALL, '5D /r', 'MIN', true),
  ...inKinds(ALL, '5E /r', 'DIV', true),
  ...inKinds(ALL, '5F /r', 'MAX', true),
  ...inKinds(ALL, 'C2 /r', 'CMP', true, ' Ib'),
  ...ordered('2E', 'UCOMI'),
  ...ordered('2F', 'COMI'),
  ...horizontal('7C', 'HADD'),
  ...horizontal('7D', 'HSUB'),
  ...horizontal('D0', 'ADDSUB'),
  ...sse41('08', 'ROUNDPS', 'Vx Wx Ib', 'Vx Wx Ib', ['128', '256']),
  ...sse41('09', 'ROUNDPD', 'Vx Wx Ib', 'Vx Wx Ib', ['128', '256']),
  ...sse41('0A', 'ROUNDSS', 'Vss Wss Ib', 'Vss Hss Wss Ib', ['LIG']),
  ...sse41('0B', 'ROUNDSD', 'Vsd Wsd Ib', 'Vsd Hsd Wsd Ib', ['LIG']),
  ...sse41('40', 'DPPS', 'Vx Wx Ib', 'Vx Hx Wx Ib', ['128', '256']),
  ...sse41('41', 'DPPD', 'Vx Wx Ib', 'Vx Hx Wx Ib', ['128']),
];

const FUSED = [
  ['6', 'ADDSUB', 'P'],
  ['7', 'SUBADD', 'P'],
  ['8', 'ADD', 'P'],
  ['9', 'ADD', 'S'],
  ['A', 'SUB', 'P'],
  ['B', 'SUB', 'S'],
  ['C', 'NADD', 'P'],
  ['D', 'NADD', 'S'],
  ['E', 'NSUB', 'P'],
  ['F', 'NSUB', 'S'],
] as const;

/** Fused multiply-add: the digits say which operands are multiplied and which is added. */
export const FUSED_MULTIPLY_ADD_ROWS: readonly InstructionRow[] = (
  [
    ['9', '132'],
    ['A', '213'],
    ['B', '231'],
  ] as const
).flatMap(([high, order]) =>
  FUSED.flatMap(([low, name, packing]) =>
    (['W0', 'W1'] as const).flatMap((w) => {
      const negated = name.startsWith('N') ? 'N' : '';
      const suffix = packing + (w === 'W0' ? 'S' : 'D');
      const mnemonic = `F${negated}M${name.replace(/^N/, '')}${order}${suffix}`;
      const operands =
        packing === 'P' ? 'Vx Hx Wx' : `V${suffix} H${suffix} W${suffix}`.replace(/S[SD]/g, (t) => t.toLowerCase());
      const place = { prefix: '66', map: '0F 38', opcode: `${high}${low} /r` } as const;
      const feature: CpuFeature = 'fma';
      const lengths = packing === 'P' ? (['128', '256'] as const) : (['LIG'] as const);
      return lengths.map((length) => vex(length, w, place, mnemonic, operands, mnemonic.toLowerCase(), feature));
    }),
  ),
);
