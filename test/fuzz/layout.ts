/** Where the parts of a random guest are, in physical memory and, wherever its pages let it, at the same linear addresses. */
export const MEMORY = 0x20_0000;

export const PLACE = {
  ivt: 0,
  gdt: 0x1000,
  ldt: 0x1800,
  idt: 0x2000,
  pointers: 0x3000,
  tss: 0x4000,
  code: 0x8000,
  data: 0xc000,
  tables: 0x1_0000,
  guestTables: 0x1_8000,
  ept: 0x2_0000,
  vmx: 0x2_8000,
  stub: 0x3_1000,
  prologue: 0x3_2000,
} as const;

export const CODE_SIZE = 0x4000;

/** Selectors in the GDT; user ones carry their RPL. */
export const SELECTOR = {
  code32: 0x08,
  data: 0x10,
  code64: 0x18,
  code16: 0x20,
  data16: 0x28,
  user32: 0x33,
  user64: 0x3b,
  userData: 0x43,
  user16: 0x4b,
  tss: 0x50,
  ldt: 0x60,
  /** From here random descriptors: gates, task segments, whatever. */
  random: 0x70,
} as const;

/** Offsets from PLACE.vmx of a page each. */
export const VMX_PAGE = {
  vmxon: 0,
  vmcs: 0x1000,
  msrBitmap: 0x2000,
  ioA: 0x3000,
  ioB: 0x4000,
  virtualApic: 0x5000,
  apicAccess: 0x6000,
  shadow: 0x7000,
  lists: 0x8000,
} as const;
