/** SDM "Canonical Addressing": bits 63 down to the top linear-address bit are all equal. */
export function isCanonical(address: bigint, linearBits: number): boolean {
  return BigInt.asUintN(64, BigInt.asIntN(linearBits, address)) === address;
}

/**
 * Whether each byte of an access has a canonical address. Addresses are computed modulo 2^64, so an access may begin at the top of the
 * address space and end at its bottom.
 */
export function isCanonicalAccess(address: bigint, size: number, linearBits: number): boolean {
  return isCanonical(address, linearBits) && isCanonical(BigInt.asUintN(64, address + BigInt(size - 1)), linearBits);
}
