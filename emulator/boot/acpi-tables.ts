import { PM_BASE, PM_OFFSET, SLEEP_TYPE } from '../devices/acpi-pm';
import { HPET_BASE, HPET_CAPABILITIES } from '../devices/hpet';
import { TIMER_PIN } from '../devices/interrupt-lines';
import { IO_APIC_BASE, IO_APIC_ID } from '../devices/io-apic';

/** First address software searches for the root pointer; the tables follow it. The memory map says that they are firmware's. */
export const ACPI_BASE = 0xe_0000;

/** Where the guest leaves the address, in the first megabyte, at which it goes on after sleep, in real mode. */
export const WAKING_VECTOR = ACPI_BASE + 0x40 + 12;

const LOCAL_APIC_BASE = 0xfee0_0000;
const RESET_PORT = 0xcf9;
const RESET_VALUE = 0x06;
const SCI = 9;
const HEADER_SIZE = 36;
const RSDP_SIZE = 36;
const FACS_SIZE = 64;

const text = (value: string, length: number): number[] =>
  Array.from({ length }, (_, i) => (i < value.length ? value.charCodeAt(i) : 0x20));
const u8 = (...values: readonly number[]): number[] => [...values];
const u16 = (value: number): number[] => [value & 0xff, value >> 8];
const u32 = (value: number): number[] => [...u16(value & 0xffff), ...u16(value >>> 16)];
const u64 = (value: number): number[] => [...u32(value % 2 ** 32), ...u32(Math.floor(value / 2 ** 32))];
const zeros = (count: number): number[] => Array.from({ length: count }, () => 0);

/** Makes the bytes up to `length` sum to zero by the one at `at`. */
function setChecksum(bytes: number[], at: number, length: number): void {
  const sum = bytes.slice(0, length).reduce((total, byte) => total + byte, 0);
  bytes[at] = (bytes[at] - sum) & 0xff;
}

/** A table with the header that all but the root pointer and the FACS have. */
function table(signature: string, revision: number, body: readonly number[]): number[] {
  const bytes = [
    ...text(signature, 4),
    ...u32(HEADER_SIZE + body.length),
    ...u8(revision, 0),
    ...text('STRATA', 6),
    ...text('STRATAPC', 8),
    ...u32(1),
    ...text('STRA', 4),
    ...u32(1),
    ...body,
  ];
  setChecksum(bytes, 9, bytes.length);
  return bytes;
}

/** Generic address structure. */
const SPACE = { memory: 0, io: 1 } as const;
const address = (space: number, bits: number, at: number): number[] => [...u8(space, bits, 0, 0), ...u64(at)];
const NO_ADDRESS = zeros(12);

/** Fixed features: WBINVD works, C1 on every processor, no power or sleep button, and the reset register. */
const FADT_FLAGS = 0x0000_0435;
/** There are ISA devices and a keyboard controller. */
const BOOT_ARCHITECTURE = 0x0003;
/** More than 100 and 1000 us: no C2, no C3. */
const NO_C2 = 101;
const NO_C3 = 1001;

function fadt(facs: number, dsdt: number): number[] {
  const event = PM_BASE + PM_OFFSET.status;
  const control = PM_BASE + PM_OFFSET.control;
  const timer = PM_BASE + PM_OFFSET.timer;
  return table('FACP', 3, [
    ...u32(facs),
    ...u32(dsdt),
    ...u8(0, 0),
    ...u16(SCI),
    // No SMI command port: the machine is always in ACPI mode.
    ...u32(0),
    ...u8(0, 0, 0, 0),
    ...[event, 0, control, 0, 0, timer, 0, 0].flatMap(u32),
    // Lengths of the event, control, PM2, timer and general event blocks.
    ...u8(4, 2, 0, 4, 0, 0, 0, 0),
    ...u16(NO_C2),
    ...u16(NO_C3),
    ...u16(0),
    ...u16(0),
    // Duty cycle, day and month alarm, century.
    ...u8(0, 0, 0, 0, 0x32),
    ...u16(BOOT_ARCHITECTURE),
    ...u8(0),
    ...u32(FADT_FLAGS),
    ...address(SPACE.io, 8, RESET_PORT),
    ...u8(RESET_VALUE, 0, 0, 0),
    ...u64(facs),
    ...u64(dsdt),
    ...address(SPACE.io, 32, event),
    ...NO_ADDRESS,
    ...address(SPACE.io, 16, control),
    ...NO_ADDRESS,
    ...NO_ADDRESS,
    ...address(SPACE.io, 32, timer),
    ...NO_ADDRESS,
    ...NO_ADDRESS,
  ]);
}

/** Interrupt source override flags: 1:0 polarity (1 high), 3:2 trigger (3 level); 0 as the bus has it. */
const LEVEL_HIGH = 0x0d;

function madt(processors: number): number[] {
  const localApics = Array.from({ length: processors }, (_, id) => [...u8(0, 8, id, id), ...u32(1)]).flat();
  const ioApic = [...u8(1, 12, IO_APIC_ID, 0), ...u32(IO_APIC_BASE), ...u32(0)];
  const override = (source: number, input: number, flags: number): number[] => [
    ...u8(2, 10, 0, source),
    ...u32(input),
    ...u16(flags),
  ];
  // NMI at LINT1 of every processor.
  const nmi = [...u8(4, 6, 0xff), ...u16(0), ...u8(1)];
  return table('APIC', 3, [
    ...u32(LOCAL_APIC_BASE),
    // There is a PIC too.
    ...u32(1),
    ...localApics,
    ...ioApic,
    ...override(0, TIMER_PIN, 0),
    ...override(SCI, SCI, LEVEL_HIGH),
    ...nmi,
  ]);
}

function hpet(): number[] {
  return table('HPET', 1, [
    ...u32(Number(HPET_CAPABILITIES & 0xffff_ffffn)),
    ...address(SPACE.memory, 64, HPET_BASE),
    ...u8(0),
    ...u16(100),
    ...u8(0),
  ]);
}

const AML = { name: 0x08, package: 0x12, root: 0x5c, byte: 0x0a } as const;

/** `Name (\_Sx, Package () { type, type, 0, 0 })`. */
function sleepState(name: string, type: number): number[] {
  const elements = [type, type, 0, 0].flatMap((value) => u8(AML.byte, value));
  // The package's length counts itself.
  const body = [4, ...elements];
  return u8(AML.name, AML.root, ...text(name, 4), AML.package, body.length + 1, ...body);
}

function dsdt(): number[] {
  return table('DSDT', 2, [...sleepState('_S3_', SLEEP_TYPE.s3), ...sleepState('_S5_', SLEEP_TYPE.s5)]);
}

function facs(): number[] {
  return [...text('FACS', 4), ...u32(FACS_SIZE), ...zeros(FACS_SIZE - 8)];
}

/** The firmware's tables for a machine, from the root pointer on, to be put at `ACPI_BASE`. */
export function acpiTables(processors: number): Uint8Array {
  const bytes: number[] = zeros(RSDP_SIZE);
  /** Appends a table; gives its address. */
  const put = (content: readonly number[]): number => {
    while (bytes.length % FACS_SIZE !== 0) bytes.push(0);
    const at = ACPI_BASE + bytes.length;
    bytes.push(...content);
    return at;
  };
  const facsAt = put(facs());
  const dsdtAt = put(dsdt());
  const tables = [fadt(facsAt, dsdtAt), madt(processors), hpet()].map(put);
  const rsdt = put(table('RSDT', 1, tables.flatMap(u32)));
  const xsdt = put(table('XSDT', 1, tables.flatMap(u64)));
  const root = [
    ...text('RSD PTR ', 8),
    ...u8(0),
    ...text('STRATA', 6),
    ...u8(2),
    ...u32(rsdt),
    ...u32(RSDP_SIZE),
    ...u64(xsdt),
    ...zeros(4),
  ];
  setChecksum(root, 8, 20);
  setChecksum(root, 32, RSDP_SIZE);
  return Uint8Array.from([...root, ...bytes.slice(RSDP_SIZE)]);
}
