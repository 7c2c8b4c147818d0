import type { CpuModel } from './cpu-models';

/** Family 6, model 5EH, stepping 3. */
export const CPUID_SIGNATURE = 0x0005_06e3;

/** Registers of a leaf. */
export interface CpuidResult {
  readonly eax: number;
  readonly ebx: number;
  readonly ecx: number;
  readonly edx: number;
}

/** Feature bits that mirror a control register or MSR. */
export interface CpuidDynamics {
  readonly processor: number;
  readonly processors: number;
  readonly osxsave: boolean;
  readonly apicEnabled: boolean;
}

const bits = (...numbers: readonly number[]): number => numbers.reduce((word, bit) => word | (1 << bit), 0) >>> 0;

/** Leaf 1 EDX: PSE TSC MSR PAE CX8 SEP MTRR PGE CMOV PAT PSE-36 DE, MCE MCA. APIC (9) follows IA32_APIC_BASE. */
const FEATURES_EDX = bits(2, 3, 4, 5, 6, 8, 11, 12, 13, 15, 16, 17, 7, 14);
/** Leaf 1 ECX: VMX, CX16, x2APIC, TSC-deadline timer. */
const FEATURES_ECX = bits(5, 13, 21, 24);
/** Leaf 7 EBX: FSGSBASE, TSC_ADJUST, SMEP, SMAP. */
const STRUCTURED_EBX = bits(0, 1, 7, 20);
/** Leaf 80000001H EDX: SYSCALL, NX, 1-GByte pages, RDTSCP, LM. */
const EXTENDED_EDX = bits(11, 20, 26, 27, 29);
/** Leaf 80000001H ECX: LAHF in 64-bit mode. */
const EXTENDED_ECX = bits(0);

const text = (value: string): number =>
  [...value].reduce((word, character, i) => word | (character.charCodeAt(0) << (8 * i)), 0) >>> 0;

const BRAND = 'Strata virtual processor at 1.00 GHz'.padEnd(48, '\0');

const NOTHING: CpuidResult = { eax: 0, ebx: 0, ecx: 0, edx: 0 };
const LAST_BASIC = 0x16;
const LAST_EXTENDED = 0x8000_0008;

/** SDM "CPUID - CPU Identification": only what the processor has. An unknown leaf answers as the last basic one. */
export function cpuid(model: CpuModel, leaf: number, subleaf: number, dynamics: CpuidDynamics): CpuidResult {
  if (leaf >= 0x8000_0002 && leaf <= 0x8000_0004) {
    const at = (leaf - 0x8000_0002) * 16;
    const word = (i: number): number => text(BRAND.slice(at + 4 * i, at + 4 * i + 4));
    return { eax: word(0), ebx: word(1), ecx: word(2), edx: word(3) };
  }
  switch (leaf) {
    case 0:
      return { eax: LAST_BASIC, ebx: text('Genu'), edx: text('ineI'), ecx: text('ntel') };
    case 1:
      return {
        eax: CPUID_SIGNATURE,
        // Initial APIC id, logical processors.
        ebx: ((dynamics.processor << 24) | (dynamics.processors << 16)) >>> 0,
        ecx: FEATURES_ECX | (dynamics.osxsave ? bits(27) : 0),
        edx: FEATURES_EDX | (dynamics.apicEnabled ? bits(9) : 0),
      };
    case 2:
      return { eax: 0x0000_0001, ebx: 0, ecx: 0, edx: 0 };
    case 7:
      return subleaf === 0 ? { eax: 0, ebx: STRUCTURED_EBX, ecx: 0, edx: 0 } : NOTHING;
    case 0x15:
      // TSC = crystal x EBX / EAX: 100 MHz x 10.
      return { eax: 1, ebx: 10, ecx: 100_000_000, edx: 0 };
    case 0x16:
      return { eax: 1000, ebx: 1000, ecx: 100, edx: 0 };
    case 0x8000_0000:
      return { eax: LAST_EXTENDED, ebx: 0, ecx: 0, edx: 0 };
    case 0x8000_0001:
      return { eax: 0, ebx: 0, ecx: EXTENDED_ECX, edx: EXTENDED_EDX };
    case 0x8000_0007:
      // Invariant TSC.
      return { eax: 0, ebx: 0, ecx: 0, edx: bits(8) };
    case 0x8000_0008:
      return { eax: model.physicalBits | (model.linearBits << 8), ebx: 0, ecx: 0, edx: 0 };
    default:
      if (leaf <= LAST_BASIC || (leaf >= 0x8000_0000 && leaf <= LAST_EXTENDED)) return NOTHING;
      return cpuid(model, LAST_BASIC, subleaf, dynamics);
  }
}
