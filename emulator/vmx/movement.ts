import {
  and,
  and32,
  eqz32,
  type Expr,
  i32,
  i64,
  load16U,
  load32U,
  load64,
  loadI32,
  or,
  select,
  wrap,
} from '../codegen/expr';
import type { FunctionBuilder } from '../codegen/function-builder';
import { ModuleBuilder } from '../codegen/module-builder';
import { VMCS_WORKING } from '../state/layout';
import type { FieldType } from '../state/layout';
import type { MachineMemory } from '../state/memory';
import { HOST_SEGMENT, TRANSITION_ELEMENTS } from '../tables/transition-elements';
import type { Computed, ElementAction, TransitionElement } from '../tables/transition-elements';
import { slotOf } from '../tables/vmcs-fields';
import { control, controlWord } from '../tables/vmx-controls';
import type { ControlKey } from '../tables/vmx-controls';
import { AT } from './vmcs';

/**
 * Moves state between the processor and the current VMCS: three WebAssembly functions generated from the transition table.
 * What they leave to TypeScript (`rflags`, `interruptibility`, `pdptes`) is in `entry.ts` and `exit.ts`.
 */
export interface StateMovement {
  /** VM entry: guest-state area to processor. */
  loadGuest(): void;
  /** VM exit: processor to guest-state area. */
  saveGuest(): void;
  /** VM exit: host-state area to processor. */
  loadHost(): void;
}

const DIRECTIONS = ['loadGuest', 'saveGuest', 'loadHost'] as const;
type Direction = (typeof DIRECTIONS)[number];

/** CR0 bits that transitions never modify: ET, 15:6, 17, 28:19, NW, CD. */
const CR0_KEPT = 0x7ffa_ffd0n;
const CR0_PG = 0x8000_0000n;
const DR7_CLEARED = 0xd000n;
const DR7_SET = 0x400n;
const EFER_LME = 0x100n;
const EFER_LMA = 0x400n;

const BYTES: Readonly<Record<FieldType, number>> = { u8: 1, u16: 2, u32: 4, u64: 8 };
const loadWide = (address: number): Expr => load64(i32(0), address);

function loadState(element: TransitionElement): Expr {
  switch (element.width) {
    case 'u64':
      return loadWide(element.address);
    case 'u32':
      return load32U(i32(0), element.address);
    case 'u16':
      return load16U(i32(0), element.address);
    case 'u8':
      throw new Error(`${element.name}: no element is a byte wide`);
  }
}
function storeState(f: FunctionBuilder, element: TransitionElement, value: Expr): void {
  f.store(BYTES[element.width], i32(0), value, element.address);
}

function slotAddress(encoding: number | undefined, element: TransitionElement): number {
  if (encoding === undefined) throw new Error(`${element.name} has no field to be copied from or to`);
  return VMCS_WORKING + slotOf(encoding);
}
const guestSlot = (element: TransitionElement): number => slotAddress(element.guestField, element);
const hostSlot = (element: TransitionElement): number => slotAddress(element.hostField, element);

/** i32 that is not 0 where a control of a primary word is 1. */
function controlIs1(key: ControlKey): Expr {
  const { word, bit } = control(key);
  const address = VMCS_WORKING + slotOf(controlWord(word).encoding);
  return and32(loadI32(i32(0), address), i32(1 << bit));
}

type Emitter = (f: FunctionBuilder, element: TransitionElement) => void;

const mergeCr0 =
  (slot: (element: TransitionElement) => number): Emitter =>
  (f, element) =>
    storeState(
      f,
      element,
      or(and(loadState(element), i64(CR0_KEPT)), and(loadWide(slot(element)), i64(BigInt.asIntN(64, ~CR0_KEPT)))),
    );

/** EFER with LMA, and LME where `lme` is not 0, set by `long`. */
const eferWith = (old: Expr, long: Expr, changed: Expr): Expr =>
  or(and(old, i64(BigInt.asIntN(64, ~(EFER_LMA | EFER_LME)))), select(changed, i64(0), long));

/** The computed rules, by direction. A rule without an emitter in a direction is TypeScript's there. */
const COMPUTED: Readonly<Record<Computed, Partial<Record<Direction, Emitter>>>> = {
  cr0: { loadGuest: mergeCr0(guestSlot), loadHost: mergeCr0(hostSlot) },
  dr7: {
    loadGuest: (f, element) => {
      f.if(controlIs1('entry.LOAD_DEBUG_CONTROLS'));
      storeState(f, element, or(and(loadWide(guestSlot(element)), i64(BigInt.asIntN(64, ~DR7_CLEARED))), i64(DR7_SET)));
      f.end();
    },
  },
  efer: {
    loadGuest: (f, element) => {
      f.if(controlIs1('entry.LOAD_IA32_EFER'));
      storeState(f, element, loadWide(guestSlot(element)));
      f.else();
      const paging = and(loadWide(AT.GUEST_CR0), i64(CR0_PG));
      const long = controlIs1('entry.IA32E_MODE_GUEST');
      // LME follows LMA where the guest is paged; elsewhere it keeps its value.
      const paged = eferWith(loadState(element), long, i64(EFER_LMA | EFER_LME));
      const unpaged = or(
        and(loadState(element), i64(BigInt.asIntN(64, ~EFER_LMA))),
        select(i64(EFER_LMA), i64(0), long),
      );
      storeState(f, element, select(paged, unpaged, wrap(paging)));
      f.end();
    },
    loadHost: (f, element) => {
      f.if(controlIs1('exit.LOAD_IA32_EFER'));
      storeState(f, element, loadWide(hostSlot(element)));
      f.else();
      const long = controlIs1('exit.HOST_ADDRESS_SPACE_SIZE');
      storeState(f, element, eferWith(loadState(element), long, i64(EFER_LMA | EFER_LME)));
      f.end();
    },
  },
  'host-code-access': {
    loadHost: (f, element) =>
      storeState(
        f,
        element,
        select(
          i64(HOST_SEGMENT.codeAccess64),
          i64(HOST_SEGMENT.codeAccess32),
          controlIs1('exit.HOST_ADDRESS_SPACE_SIZE'),
        ),
      ),
  },
  'host-data-access': {
    loadHost: (f, element) => {
      const selector = loadI32(i32(0), hostSelectorOf(element));
      const unusable = i64(HOST_SEGMENT.dataAccess | HOST_SEGMENT.unusable);
      storeState(f, element, select(unusable, i64(HOST_SEGMENT.dataAccess), eqz32(selector)));
    },
  },
  'tsc-offset': {
    loadGuest: (f, element) =>
      storeState(f, element, select(loadWide(guestSlot(element)), i64(0), controlIs1('primary.USE_TSC_OFFSETTING'))),
  },
  'pending-debug': {
    saveGuest: (f, element) => f.store(8, i32(0), loadState(element), guestSlot(element)),
  },
  rflags: {},
  interruptibility: {},
  pdptes: {},
};

/** Slot of the host selector that belongs to a segment's access rights. */
function hostSelectorOf({ name }: TransitionElement): number {
  const selector = TRANSITION_ELEMENTS.find((other) => other.name === name.replace('.access', '.selector'));
  if (selector === undefined) throw new Error(`${name} has no selector`);
  return hostSlot(selector);
}

function emitCopy(f: FunctionBuilder, element: TransitionElement, direction: Direction): void {
  if (direction === 'saveGuest') f.store(8, i32(0), loadState(element), guestSlot(element));
  else storeState(f, element, loadWide(direction === 'loadGuest' ? guestSlot(element) : hostSlot(element)));
}

function emitAction(f: FunctionBuilder, element: TransitionElement, action: ElementAction, direction: Direction): void {
  switch (action.kind) {
    case 'copy':
      return emitCopy(f, element, direction);
    case 'copy-if':
      f.if(controlIs1(action.control));
      emitCopy(f, element, direction);
      return f.end();
    case 'constant':
      return storeState(f, element, i64(BigInt.asIntN(64, action.value)));
    case 'computed':
      return COMPUTED[action.by][direction]?.(f, element);
    case 'keep':
      return;
  }
}

const actionOf = (element: TransitionElement, direction: Direction): ElementAction =>
  direction === 'loadGuest' ? element.entry : direction === 'saveGuest' ? element.exitSave : element.exitLoad;

/** Generates the module; every host is the same, so the bytes depend on the table alone. */
function generateMovement(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  for (const direction of DIRECTIONS) {
    const { body } = module.addFunction({ params: [] }, direction);
    for (const element of TRANSITION_ELEMENTS) emitAction(body, element, actionOf(element, direction), direction);
  }
  return module.encode();
}

export function createMovement(memory: MachineMemory): StateMovement {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(generateMovement()), {
    env: { memory: memory.wasm },
  });
  const { loadGuest, saveGuest, loadHost } = instance.exports;
  return { loadGuest, saveGuest, loadHost };
}
