/** Code that brings a processor into a random state by its own instructions, valid in 32-bit and in 64-bit mode alike. */
export class Prologue {
  private readonly bytes: number[] = [];

  private put(...bytes: readonly number[]): void {
    this.bytes.push(...bytes);
  }
  private word(value: number): readonly number[] {
    return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
  }
  /** An opcode with the memory operand [address]. */
  private memory(opcode: readonly number[], digit: number, address: number): void {
    this.put(...opcode, 0x04 | (digit << 3), 0x25, ...this.word(address));
  }

  control(register: 0 | 3 | 4, value: number): void {
    this.put(0xb8, ...this.word(value), 0x0f, 0x22, 0xc0 | (register << 3));
  }
  debug(register: number, value: number): void {
    this.put(0xb8, ...this.word(value), 0x0f, 0x23, 0xc0 | (register << 3));
  }
  msr(index: number, value: bigint): void {
    this.put(0xb9, ...this.word(index), 0xb8, ...this.word(Number(value & 0xffff_ffffn)));
    this.put(0xba, ...this.word(Number(value >> 32n)), 0x0f, 0x30);
  }
  store(address: number, value: number): void {
    this.memory([0xc7], 0, address);
    this.put(...this.word(value));
  }
  xcr0(value: number): void {
    this.put(0x31, 0xc9, 0x31, 0xd2, 0xb8, ...this.word(value), 0x0f, 0x01, 0xd1);
  }
  protectionKeys(value: number): void {
    this.put(0x31, 0xc9, 0x31, 0xd2, 0xb8, ...this.word(value), 0x0f, 0x01, 0xef);
  }
  loadMxcsr(address: number): void {
    this.memory([0x0f, 0xae], 2, address);
  }
  loadFcw(address: number): void {
    this.memory([0xd9], 5, address);
  }
  loadTables(gdt: number, idt: number): void {
    this.memory([0x0f, 0x01], 2, gdt);
    this.memory([0x0f, 0x01], 3, idt);
  }
  loadTask(selector: number): void {
    this.put(0x66, 0xb8, selector & 0xff, selector >> 8, 0x0f, 0x00, 0xd8);
  }
  loadLdt(selector: number): void {
    this.put(0x66, 0xb8, selector & 0xff, selector >> 8, 0x0f, 0x00, 0xd0);
  }
  vmxon(address: number): void {
    this.memory([0xf3, 0x0f, 0xc7], 6, address);
  }
  vmclear(address: number): void {
    this.memory([0x66, 0x0f, 0xc7], 6, address);
  }
  vmptrld(address: number): void {
    this.memory([0x0f, 0xc7], 6, address);
  }

  get length(): number {
    return this.bytes.length;
  }
  /** The code with JMP to itself behind it, which a run of it ends at. */
  finish(): Uint8Array {
    return Uint8Array.from([...this.bytes, 0xeb, 0xfe]);
  }
}
