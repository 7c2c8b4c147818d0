import type { InstructionRow } from '../instruction-types';
import { warm } from './row';
import { sse, vex } from './vector-rows';

const aesPlace = (opcode: string): { prefix: '66'; map: '0F 38'; opcode: string } => ({
  prefix: '66',
  map: '0F 38',
  opcode: `${opcode} /r`,
});

const aesRound = (opcode: string, mnemonic: string): readonly InstructionRow[] => {
  const place = aesPlace(opcode);
  const key = mnemonic.toLowerCase();
  return [
    sse(place, mnemonic, 'Vx Wx', key, 'aes'),
    vex('128', 'WIG', place, mnemonic, 'Vx Hx Wx', key, 'avx'),
    vex('256', 'WIG', place, mnemonic, 'Vx Hx Wx', key, 'vaes'),
  ];
};

const sha = (opcode: string, mnemonic: string, operands: string): InstructionRow =>
  warm(`NP ${opcode} /r`, mnemonic, operands, 'q', mnemonic.toLowerCase(), { unit: 'sse', feature: 'sha' });

const KEY_ASSIST = { prefix: '66', map: '0F 3A', opcode: 'DF /r' } as const;
const CARRYLESS = { prefix: '66', map: '0F 3A', opcode: '44 /r' } as const;

/** AES, PCLMULQDQ and SHA extensions. */
export const CRYPTOGRAPHY_ROWS: readonly InstructionRow[] = [
  ...aesRound('DC', 'AESENC'),
  ...aesRound('DD', 'AESENCLAST'),
  ...aesRound('DE', 'AESDEC'),
  ...aesRound('DF', 'AESDECLAST'),
  sse(aesPlace('DB'), 'AESIMC', 'Vx Wx', 'aesimc', 'aes'),
  vex('128', 'WIG', aesPlace('DB'), 'AESIMC', 'Vx Wx', 'aesimc', 'avx'),
  sse(KEY_ASSIST, 'AESKEYGENASSIST', 'Vx Wx uIb', 'aeskeygenassist', 'aes'),
  vex('128', 'WIG', KEY_ASSIST, 'AESKEYGENASSIST', 'Vx Wx uIb', 'aeskeygenassist', 'avx'),

  sse(CARRYLESS, 'PCLMULQDQ', 'Vx Wx uIb', 'pclmulqdq', 'pclmulqdq'),
  vex('128', 'WIG', CARRYLESS, 'PCLMULQDQ', 'Vx Hx Wx uIb', 'pclmulqdq', 'avx'),
  vex('256', 'WIG', CARRYLESS, 'PCLMULQDQ', 'Vx Hx Wx uIb', 'pclmulqdq', 'vpclmulqdq'),

  sha('0F 3A CC', 'SHA1RNDS4', 'Vx Wx uIb'),
  sha('0F 38 C8', 'SHA1NEXTE', 'Vx Wx'),
  sha('0F 38 C9', 'SHA1MSG1', 'Vx Wx'),
  sha('0F 38 CA', 'SHA1MSG2', 'Vx Wx'),
  sha('0F 38 CB', 'SHA256RNDS2', 'Vx Wx'),
  sha('0F 38 CC', 'SHA256MSG1', 'Vx Wx'),
  sha('0F 38 CD', 'SHA256MSG2', 'Vx Wx'),
];
