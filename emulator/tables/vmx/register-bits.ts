/** Names of the bits of registers that the VMCS holds, by bit. */
type Bits = Readonly<Record<number, string>>;

const CR0: Bits = {
  0: 'PE',
  1: 'MP',
  2: 'EM',
  3: 'TS',
  4: 'ET',
  5: 'NE',
  16: 'WP',
  18: 'AM',
  29: 'NW',
  30: 'CD',
  31: 'PG',
};
const CR4: Bits = {
  0: 'VME',
  1: 'PVI',
  2: 'TSD',
  3: 'DE',
  4: 'PSE',
  5: 'PAE',
  6: 'MCE',
  7: 'PGE',
  8: 'PCE',
  9: 'OSFXSR',
  10: 'OSXMMEXCPT',
  11: 'UMIP',
  12: 'LA57',
  13: 'VMXE',
  14: 'SMXE',
  16: 'FSGSBASE',
  17: 'PCIDE',
  18: 'OSXSAVE',
  19: 'KL',
  20: 'SMEP',
  21: 'SMAP',
  22: 'PKE',
  23: 'CET',
  24: 'PKS',
  25: 'UINTR',
  27: 'LASS',
  28: 'LAM_SUP',
  32: 'FRED',
};
const EFER: Bits = { 0: 'SCE', 8: 'LME', 10: 'LMA', 11: 'NXE' };
const RFLAGS: Bits = {
  0: 'CF',
  1: 'bit 1',
  2: 'PF',
  4: 'AF',
  6: 'ZF',
  7: 'SF',
  8: 'TF',
  9: 'IF',
  10: 'DF',
  14: 'NT',
  16: 'RF',
  17: 'VM',
  18: 'AC',
  19: 'VIF',
  20: 'VIP',
  21: 'ID',
};
const INTERRUPTIBILITY: Bits = {
  0: 'blocking by STI',
  1: 'blocking by MOV SS',
  2: 'blocking by SMI',
  3: 'blocking by NMI',
  4: 'enclave interruption',
};
const PENDING_DEBUG: Bits = {
  0: 'B0',
  1: 'B1',
  2: 'B2',
  3: 'B3',
  11: 'BLD',
  12: 'enabled breakpoint',
  14: 'BS',
  16: 'RTM',
};
const DEBUGCTL: Bits = {
  0: 'LBR',
  1: 'BTF',
  2: 'BLD',
  6: 'TR',
  7: 'BTS',
  8: 'BTINT',
  9: 'BTS_OFF_OS',
  10: 'BTS_OFF_USR',
};

export const REGISTER_BITS = { CR0, CR4, EFER, RFLAGS, INTERRUPTIBILITY, PENDING_DEBUG, DEBUGCTL } as const;
export type NamedRegister = keyof typeof REGISTER_BITS;

/** The bits set in a mask, by name: 'PE, NE, PG'; 'none' for 0. */
export function bitNames(register: NamedRegister, mask: bigint): string {
  const names: string[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if (((mask >> BigInt(bit)) & 1n) === 1n) names.push(REGISTER_BITS[register][bit] ?? `bit ${bit}`);
  }
  return names.length === 0 ? 'none' : names.join(', ');
}
