import type { EptTranslation, Intercepts } from './intercepts';

const nothing = (): undefined => undefined;
const never = (): false => false;

/** A processor outside VMX operation: nothing ever exits. */
export const NO_VMX: Intercepts = {
  inGuest: false,
  opensWindow: false,
  inOperation: false,
  contextLoads: 0,
  requireEnabled: nothing,
  plain: nothing,
  plainExits: never,
  invlpg: nothing,
  controlRead: nothing,
  controlWrite: nothing,
  clts: () => 'execute',
  lmsw: nothing,
  readControl: (_register, actual) => actual,
  mergeControl: (_register, value) => value,
  debugRegister: nothing,
  io: nothing,
  msr: nothing,
  fixedBits: nothing,
  exception: never,
  tripleFault: never,
  taskSwitch: nothing,
  ept: false,
  vpid: 0,
  eptp: 0n,
  translate: (guestPhysical): EptTranslation => ({
    physical: guestPhysical,
    read: true,
    write: true,
    execute: true,
    pageShift: 12,
    needsDirty: false,
  }),
  peekTranslate: nothing,
  boundary: never,
};
