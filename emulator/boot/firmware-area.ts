import { LOW_END } from './memory-plan';

/**
 * What firmware leaves in the first megabyte for software in real mode: the interrupt vector table, the BIOS data area, and handlers that
 * acknowledge interrupts and return. There are no services behind it.
 */
interface FirmwareArea {
  readonly physical: number;
  readonly bytes: Uint8Array;
}

const VECTORS = 256;
const ROM_SEGMENT = 0xf000;
/** Offsets that PCs have always had these handlers at: the timer's, the dummy one; then those of the two interrupt controllers. */
const HANDLER = { timer: 0xfea5, nothing: 0xff53, master: 0xfee0, slave: 0xfee8 } as const;
/** Vectors of interrupt requests 0 and 8. */
const MASTER_BASE = 0x08;
const SLAVE_BASE = 0x70;

const DATA_AREA = 0x400;
/** Offsets in the BIOS data area. */
const DATA = { com1: 0x00, extendedArea: 0x0e, equipment: 0x10, kilobytes: 0x13 } as const;
const COM1_PORT = 0x3f8;
/** One serial port, an 80-column screen, a coprocessor. */
const EQUIPMENT = 0x0222;

/** PUSH AX; MOV AL,20h; OUT 20h,AL; POP AX; IRET */
const ACKNOWLEDGE_MASTER = [0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf];
/** The same, with OUT 0A0h,AL first. */
const ACKNOWLEDGE_BOTH = [0x50, 0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20, 0x58, 0xcf];
/** PUSH DS; PUSH 40h; POP DS; INC DWORD PTR [6Ch]; POP DS: the count of timer ticks. */
const COUNT_TICK = [0x1e, 0x6a, 0x40, 0x1f, 0x66, 0xff, 0x06, 0x6c, 0x00, 0x1f];
const IRET = 0xcf;

function vectorTable(): Uint8Array {
  const entries = new Uint32Array(VECTORS);
  entries.forEach((_, vector) => {
    let handler: number = HANDLER.nothing;
    if (vector === MASTER_BASE) handler = HANDLER.timer;
    else if (vector > MASTER_BASE && vector < MASTER_BASE + 8) handler = HANDLER.master;
    else if (vector >= SLAVE_BASE && vector < SLAVE_BASE + 8) handler = HANDLER.slave;
    entries[vector] = ROM_SEGMENT * 0x1_0000 + handler;
  });
  return new Uint8Array(entries.buffer);
}

function dataArea(): Uint8Array {
  const bytes = new Uint8Array(0x100);
  const view = new DataView(bytes.buffer);
  view.setUint16(DATA.com1, COM1_PORT, true);
  view.setUint16(DATA.extendedArea, LOW_END >> 4, true);
  view.setUint16(DATA.equipment, EQUIPMENT, true);
  view.setUint16(DATA.kilobytes, LOW_END >> 10, true);
  return bytes;
}

/** Pieces of memory, to be put in place before an image, which may lie over them. */
export function firmwareArea(): readonly FirmwareArea[] {
  const code = (offset: number, bytes: readonly number[]): FirmwareArea => ({
    physical: ROM_SEGMENT * 16 + offset,
    bytes: Uint8Array.from(bytes),
  });
  return [
    { physical: 0, bytes: vectorTable() },
    { physical: DATA_AREA, bytes: dataArea() },
    // The first kilobyte above conventional memory says its own size.
    { physical: LOW_END, bytes: Uint8Array.of(1) },
    code(HANDLER.timer, [...COUNT_TICK, ...ACKNOWLEDGE_MASTER]),
    code(HANDLER.nothing, [IRET]),
    code(HANDLER.master, ACKNOWLEDGE_MASTER),
    code(HANDLER.slave, ACKNOWLEDGE_BOTH),
  ];
}
