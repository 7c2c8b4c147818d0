import { CR0, CR4, RFLAGS, XCR0 } from '../tables/control-registers';
import type { Unit } from '../tables/instruction-types';

/** What becomes of an instruction that needs a unit. */
export const UNIT_STATE = { ON: 0, NOT_AVAILABLE: 1, UNDEFINED: 2 } as const;
export type UnitState = (typeof UNIT_STATE)[keyof typeof UNIT_STATE];

const SHIFT: Readonly<Record<Unit, number>> = { x87: 0, wait: 2, mmx: 4, sse: 6, avx: 8, vex: 10 };

export const unitState = (packed: number, unit: Unit): UnitState => ((packed >> SHIFT[unit]) & 3) as UnitState;

/**
 * The states of all units in one number, as a decode mode holds them; 0 is everything on. SDM "Configuring the x87 FPU Environment", "Exception
 * Conditions of Legacy SIMD Instructions Operating on MMX Registers", "Exceptions Type 1 to 8".
 * @param flags RFLAGS, of which VM counts
 */
export function unitsOf(cr0: number, cr4: number, xcr0: number, flags: number): number {
  const { ON, NOT_AVAILABLE, UNDEFINED } = UNIT_STATE;
  const switched = (cr0 & CR0.TS) !== 0 ? NOT_AVAILABLE : ON;
  const emulated = (cr0 & CR0.EM) !== 0;
  const vex = (cr0 & CR0.PE) !== 0 && (flags & RFLAGS.VM) === 0;
  const vectors = XCR0.SSE | XCR0.AVX;
  const states: Readonly<Record<Unit, UnitState>> = {
    x87: emulated ? NOT_AVAILABLE : switched,
    wait: (cr0 & CR0.MP) !== 0 ? switched : ON,
    mmx: emulated ? UNDEFINED : switched,
    sse: emulated || (cr4 & CR4.OSFXSR) === 0 ? UNDEFINED : switched,
    avx: vex && (cr4 & CR4.OSXSAVE) !== 0 && (xcr0 & vectors) === vectors ? switched : UNDEFINED,
    vex: vex ? ON : UNDEFINED,
  };
  return Object.entries(SHIFT).reduce((packed, [unit, shift]) => packed | (states[unit as Unit] << shift), 0);
}
