import { admitsMemory, isMemoryOnly, isRegisterOnly } from '../../emulator/decode/compiled-row';
import type { InstructionRow } from '../../emulator/tables/instruction-types';
import { LAYOUT } from './case';
import { dataAddress, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP, type Draft } from './draft';
import type { Random } from './random';

const STRINGS = new Set(['movs', 'stos', 'lods', 'cmps', 'scas']);
const SCANS = new Set(['bsf', 'bsr', 'tzcnt', 'lzcnt', 'popcnt']);
const INDIRECT = new Set(['jmp_indirect', 'call_indirect']);
const RETURNS = new Set(['ret', 'ret_imm']);
/** Bytes of images that need the area; they come with their contents. */
const IMAGES = /^(fx|x)(save|rstor)/;
const ENVIRONMENTS = /^f(n?save|rstor|n?stenv|ldenv)$/;

const little = (value: bigint, size: number): number[] =>
  Array.from({ length: size }, (_, i) => Number((BigInt.asUintN(64, value) >> BigInt(8 * i)) & 0xffn));

/** An address in the page of INT3, outside of the snippet. */
function codeAddress(random: Random): bigint {
  const offset = random.below(1000) + 400;
  return BigInt(LAYOUT.snippet + (random.oneIn(2) ? offset : -offset));
}

/** What a VEX prefix in an opcode column says. */
interface VexColumn {
  readonly length: string;
  readonly prefix: string;
  readonly map: string;
  readonly w: string;
}

const VEX_PREFIXES: readonly string[] = ['NP', '66', 'F3', 'F2'];
const VEX_MAPS: readonly string[] = ['', '0F', '0F38', '0F3A'];

const vexColumn = (opcode: string): VexColumn | undefined => {
  const match = /^VEX\.(\w+)\.(\w+)\.(\w+)\.(\w+) /.exec(opcode);
  if (match === null) return undefined;
  const [, length, prefix, map, w] = match;
  return { length, prefix, map, w };
};

/** Encoding that the row's opcode column demands: prefixes, then bytes. */
const PREFIX_TOKENS = /^(VEX\.\S+ |((NP|NFx|66|F2|F3|REX\.W0?) )+)/;

/** One instruction of a row being put together, with random operands; sets up the state it needs. */
export class Assembly {
  private readonly key: string;
  private readonly vex: VexColumn | undefined;
  private readonly prefixTokens: readonly string[];
  private rex = 0;
  private hasRex: boolean;
  private operandOverride: boolean;
  private addressOverride: boolean;
  private segment: number | undefined;
  private register = true;
  private modrm: number[] = [];
  /** What a RIP-relative displacement has to reach. */
  private ripTarget: bigint | undefined;
  private immediate = 0n;
  private readonly lock: boolean;

  /**
   * @param offset of the instruction in its snippet
   * @param alone the state may be set up for this instruction, because no other comes before it
   */
  constructor(
    private readonly random: Random,
    private readonly row: InstructionRow,
    private readonly draft: Draft,
    private readonly offset = 0,
    private readonly alone = true,
  ) {
    this.key = row.semantic.key;
    this.vex = vexColumn(row.opcode);
    this.prefixTokens = (PREFIX_TOKENS.exec(row.opcode)?.[0] ?? '').trim().split(' ');
    this.lock = row.lock && random.oneIn(3);
    this.hasRex = random.oneIn(2);
    // Processors of other makers than Intel do not ignore 66 on near branches.
    this.operandOverride = row.size !== 'd64' && random.oneIn(4);
    this.addressOverride = alone && random.oneIn(8);
    if (this.hasRex) this.rex = random.below(16);
    this.applyColumn();
  }

  /** What the opcode column says about W and 66. */
  private applyColumn(): void {
    const { prefixTokens, vex, random } = this;
    if (prefixTokens.includes('REX.W')) {
      this.hasRex = true;
      this.rex |= 8;
    }
    if (prefixTokens.includes('REX.W0')) this.rex &= ~8;
    if (vex !== undefined) {
      this.hasRex = true;
      this.operandOverride = false;
      if (vex.w === 'W0') this.rex &= ~8;
      if (vex.w === 'W1') this.rex |= 8;
      if (random.oneIn(2)) this.rex &= ~3;
    }
    if (prefixTokens.includes('NP') || prefixTokens.includes('66')) this.operandOverride = false;
  }

  private get gpr(): BigUint64Array {
    return this.draft.gpr;
  }

  private get size(): number {
    const { size } = this.row;
    if (size === 'b') return 1;
    if (size === 'd64') return 8;
    if (this.hasRex && (this.rex & 8) !== 0) return 8;
    if (size === 'f64') return this.operandOverride ? 2 : 8;
    if (size === 'q') return 8;
    if (size === 'y') return 4;
    return this.operandOverride ? 2 : 4;
  }

  /** Bits of the operand, as far as shifts and undefined flags ask. */
  get bits(): number {
    return this.size * 8;
  }

  /** Masked count of a shift or rotate. */
  get count(): number {
    const counted = this.row.operands.at(-1);
    const raw = counted === '1' ? 1n : counted === 'CL' ? this.gpr[RCX] & 0xffn : this.immediate & 0xffn;
    return Number(raw) & (this.bits === 64 ? 63 : 31);
  }

  /** Chooses addressing registers and sets them so that the operand lies at `target`. */
  private memoryOperand(reg: number, target: bigint): void {
    const { random } = this;
    this.register = false;
    const set = (register: number, value: bigint): void => this.setAddress(register, value);
    const extended = (bit: number): number => (this.hasRex && (this.rex & bit) !== 0 ? 8 : 0);
    // RAX says which components XSAVE and XRSTOR move, so it cannot hold an address.
    const kind = random.below(this.alone && !IMAGES.test(this.key) ? 5 : 2);
    if (kind === 0) {
      // [disp32]: the SIB form without base or index.
      if (extended(2) !== 0) this.rex &= ~2;
      this.modrm = [(reg << 3) | 4, 0x25, ...little(target, 4)];
      return;
    }
    if (kind === 1) {
      this.ripTarget = target;
      this.modrm = [(reg << 3) | 5, 0, 0, 0, 0];
      return;
    }
    const size = random.pick([1, 4] as const);
    const displacement = BigInt(size === 1 ? random.below(256) - 128 : (random.u32() >> random.below(30)) | 0);
    const mod = (size === 1 ? 0x40 : 0x80) | (reg << 3);
    const base = random.below(8);
    if (kind === 2 && base !== 4) {
      set(base + extended(1), target - displacement);
      this.modrm = [mod | base, ...little(displacement, size)];
      return;
    }
    let index = random.below(8);
    while (index + extended(2) === base + extended(1)) index = random.below(8);
    const scale = random.below(4);
    const isNone = index === 4 && extended(2) === 0;
    const scaled = isNone ? 0n : this.gpr[index + extended(2)] << BigInt(scale);
    set(base + extended(1), BigInt.asUintN(64, target - displacement - scaled));
    this.modrm = [mod | 4, (scale << 6) | (index << 3) | base, ...little(displacement, size)];
  }

  /** Sets a register to an address, with anything above it where the address size is 32 bits. */
  private setAddress(register: number, value: bigint): void {
    this.gpr[register] = this.addressOverride
      ? (this.random.u64() & ~0xffff_ffffn) | (value & 0xffff_ffffn)
      : BigInt.asUintN(64, value);
  }

  /** A gather's operand: indices that stay in the data but for a few. */
  private vectorIndices(reg: number, code: string): void {
    const { random } = this;
    this.register = false;
    this.addressOverride = false;
    const base = random.below(8);
    const index = random.below(8);
    const scale = random.below(4);
    const indexRegister = this.draft.vector(index + ((this.rex & 2) !== 0 ? 8 : 0));
    const width = code.startsWith('vm32') ? 4 : 8;
    for (let at = 0; at < 32; at += width) {
      const far = random.oneIn(30) ? 4096n : 0n;
      indexRegister.set(little((BigInt(random.below(96) - 48) >> BigInt(scale)) + far, width), at);
    }
    const target = BigInt(LAYOUT.crossing + 100 + random.below(40));
    const displacement = BigInt(random.below(256) - 128);
    this.setAddress(base + ((this.rex & 1) !== 0 ? 8 : 0), target - displacement);
    this.modrm = [0x44 | (reg << 3), (scale << 6) | (index << 3) | base, ...little(displacement, 1)];
  }

  private chooseModrm(): void {
    const { random, row } = this;
    const { operands } = row;
    const constraint = / (mem|reg)$/.exec(row.opcode)?.[1];
    const digit = /\/(\d)/.exec(row.opcode)?.[1];
    const reg = digit === undefined ? random.below(8) : Number(digit);
    const vsib = operands.find((code) => code.startsWith('vm'));
    if (vsib !== undefined) {
      this.vectorIndices(reg, vsib);
      return;
    }
    const memoryOnly = constraint === 'mem' || operands.some(isMemoryOnly);
    const registerOnly = constraint === 'reg' || operands.some(isRegisterOnly) || !operands.some(admitsMemory);
    if (!memoryOnly && (registerOnly || random.oneIn(2))) {
      this.modrm = [0xc0 | (reg << 3) | random.below(8)];
      return;
    }
    const target = this.target();
    this.memoryOperand(reg, this.segment === undefined ? target : target - BigInt(LAYOUT.data));
  }

  /** Where the memory operand is to lie; may choose a segment prefix. */
  private target(): bigint {
    const { random, row, key, draft } = this;
    let target = dataAddress(random);
    if (IMAGES.test(key) || (ENVIRONMENTS.test(key) && random.oneIn(2))) {
      draft.fillArea();
      target = BigInt(LAYOUT.area);
      if (random.oneIn(8)) target += BigInt(random.pick([1, 8, 16, 32, 64]));
    }
    if (key === 'cmpxchg16b' && !random.oneIn(8)) target &= ~15n;
    if (row.unit === 'sse' || row.unit === 'avx') {
      const misaligned = row.unit === 'sse' ? random.oneIn(8) : random.oneIn(2);
      if (!misaligned) target &= random.oneIn(2) ? ~31n : ~15n;
    }
    // Hosts may refuse locked accesses that cross cache lines.
    if (this.lock || key === 'xchg') target &= ~7n;
    if (random.oneIn(10) && !this.addressOverride) this.segment = 0x65;
    return target;
  }

  private immediates(): number[] {
    const { random } = this;
    return this.row.operands.flatMap((code) => {
      switch (code) {
        case 'Ib':
        case 'uIb':
        case 'level':
          this.immediate = BigInt(code === 'level' ? random.below(34) : random.below(256));
          // Half of the controls are small numbers.
          if (this.row.unit !== undefined && random.oneIn(2)) this.immediate &= 0x1fn;
          return little(this.immediate, 1);
        case 'uIw':
          return little(BigInt(random.below(random.oneIn(4) ? 65536 : 256)), 2);
        case 'Iz':
          return little(random.interesting(), Math.min(this.size, 4));
        case 'Iv':
          return little(random.interesting(), this.size);
        case 'Jb':
          // Not into the instruction itself.
          return little(BigInt(random.oneIn(2) ? random.below(100) : -20 - random.below(100)), 1);
        case 'Jz':
          return little(BigInt(random.oneIn(2) ? random.below(1000) : -40 - random.below(1000)), 4);
        default:
          return /^L[a-z]/.test(code) ? [random.below(256)] : [];
      }
    });
  }

  /** Registers that instructions use without naming them. */
  private implicitOperands(): void {
    const { random, gpr, key, draft } = this;
    if (STRINGS.has(key)) {
      gpr[RSI] = dataAddress(random);
      gpr[RDI] = dataAddress(random);
      gpr[RCX] = random.oneIn(20) ? 10000n : BigInt(random.below(20));
      if (random.oneIn(2)) {
        // Long runs of equal elements, so that repeated comparisons go on.
        draft.crossing.fill(random.below(2) * 0x55);
        draft.crossing[random.below(LAYOUT.crossingSize)] = 1;
        gpr[RAX] = 0x5555_5555_5555_5555n * BigInt(random.below(2));
      }
      if (this.addressOverride) for (const r of [RSI, RDI, RCX]) gpr[r] |= random.u64() & ~0xffff_ffffn;
    }
    if (/^v?maskmov(q|dqu)$/.test(key)) gpr[RDI] = dataAddress(random);
    if (/^v?pcmp[ei]str[im]$/.test(key) && random.oneIn(2)) {
      // Lengths within and at the ends of a string.
      for (const r of [RAX, RDX]) gpr[r] = BigInt.asUintN(64, BigInt(random.below(40) - 20));
    }
    if (IMAGES.test(key)) {
      gpr[RAX] = (gpr[RAX] & ~0xffff_ffffn) | BigInt(random.below(8));
      gpr[RDX] &= ~0xffff_ffffn;
    }
    if (key === 'xlat') gpr[RBX] = BigInt(LAYOUT.crossing - random.below(100));
    if (key === 'enter' || key === 'leave') gpr[RBP] = dataAddress(random);
    if (key.startsWith('loop') || key === 'jcxz')
      gpr[RCX] = BigInt(random.below(3)) | ((random.u64() << 32n) * BigInt(random.below(2)));
    if (key === 'div') gpr[RDX] = random.pick([0n, 1n, gpr[RDX] >> 32n, gpr[RDX]]);
    if (key === 'idiv') gpr[RDX] = random.pick([0n, (1n << 64n) - 1n, gpr[RDX] >> 32n, gpr[RDX]]);
    if (key.startsWith('bt') || key === 'bextr' || key === 'bzhi')
      for (let r = 0; r < 16; r++)
        if (random.oneIn(2) && r !== RSP) gpr[r] = BigInt.asUintN(64, BigInt(random.below(400) - 200));
    if (key === 'bextr') for (let r = 0; r < 16; r++) if (random.oneIn(2)) gpr[r] = BigInt(random.u32() & 0x3f3f);
    if (this.row.operands.at(-1) === 'CL') gpr[RCX] = random.oneIn(3) ? random.u64() : BigInt(random.below(70));
    if (SCANS.has(key) && random.oneIn(4)) gpr.fill(0n, 8);
    if (key.startsWith('cmpxchg') && random.oneIn(2)) {
      draft.crossing.fill(random.below(256));
      const same = BigInt(draft.crossing[0]) * 0x0101_0101_0101_0101n;
      gpr[RAX] = same;
      gpr[RDX] = same;
    }
  }

  /** Where an indirect transfer or a return goes: to the page of INT3, seldom to where nothing can be. */
  private transferTargets(): void {
    const { random, draft } = this;
    if (!INDIRECT.has(this.key) && !RETURNS.has(this.key)) return;
    const target = random.oneIn(10) ? random.u64() | ((1n << 62n) & ~(1n << 63n)) : codeAddress(random);
    for (let r = 0; r < 16; r++) if (INDIRECT.has(this.key) && r !== RSP) this.gpr[r] = target;
    for (const window of [draft.crossing, draft.edge])
      for (let i = 0; i + 8 <= window.length; i += 8) window.set(little(target, 8), i);
    this.gpr[RSP] &= ~7n;
  }

  /** VEX prefix: of two bytes where that can say it and now and then also of three. */
  private vexPrefix({ length, prefix, map, w }: VexColumn): number[] {
    const { random, rex } = this;
    const l = length === '256' ? 4 : length === 'LIG' ? random.below(2) * 4 : 0;
    const named = this.row.operands.some((code) => /^[HB][a-z]/.test(code));
    const v = named || random.oneIn(100) ? random.below(16) : 15;
    const low = (v << 3) | l | VEX_PREFIXES.indexOf(prefix);
    const r = (rex & 4) === 0 ? 0x80 : 0;
    if (map === '0F' && w !== 'W1' && (rex & 3) === 0 && (w === 'W0' || random.oneIn(2))) {
      this.rex &= ~8;
      return [0xc5, r | low];
    }
    const xb = ((rex & 2) === 0 ? 0x40 : 0) | ((rex & 1) === 0 ? 0x20 : 0);
    return [0xc4, r | xb | VEX_MAPS.indexOf(map), ((rex & 8) === 0 ? 0 : 0x80) | low];
  }

  private opcodeBytes(): number[] {
    const { random } = this;
    return this.row.opcode
      .replace(PREFIX_TOKENS, '')
      .split(' ')
      .filter((token) => /^[0-9A-F]{2}(\+[ri])?$/.test(token))
      .map((token) => parseInt(token, 16) + (token.includes('+') ? random.below(8) : 0));
  }

  private prefixes(): number[] {
    const { random } = this;
    const prefixes: number[] = [];
    if (this.operandOverride) prefixes.push(0x66);
    if (this.addressOverride) prefixes.push(0x67);
    if (this.segment !== undefined) prefixes.push(this.segment);
    if (STRINGS.has(this.key) && !random.oneIn(3)) prefixes.push(random.pick([0xf2, 0xf3]));
    else if (this.lock ? !this.register : random.oneIn(200) && this.key !== 'xchg' && !this.row.lock)
      prefixes.push(0xf0);
    if (this.vex !== undefined && random.oneIn(200)) prefixes.push(random.pick([0x66, 0xf2, 0xf3, 0x48]));
    for (const token of this.prefixTokens) if (/^(66|F2|F3)$/.test(token)) prefixes.push(parseInt(token, 16));
    return prefixes;
  }

  assemble(): Uint8Array {
    const { random, row, vex } = this;
    if (this.alone) {
      this.implicitOperands();
      this.transferTargets();
    }
    const opcode = this.opcodeBytes();
    if (/\/(r|\d)/.test(row.opcode)) this.chooseModrm();
    const moffs = row.operands.find((code) => code.startsWith('O'));
    const address = moffs === undefined ? [] : little(dataAddress(random), this.addressOverride ? 4 : 8);
    const immediates = this.immediates();
    const code = [
      ...this.prefixes(),
      ...(vex !== undefined ? this.vexPrefix(vex) : this.hasRex ? [0x40 | this.rex] : []),
      ...opcode,
      ...this.modrm,
      ...address,
      ...immediates,
    ];
    if (this.ripTarget !== undefined) {
      const at = code.length - immediates.length - address.length - 4;
      const displacement = this.ripTarget - BigInt(LAYOUT.snippet + this.offset + code.length);
      little(displacement, 4).forEach((byte, i) => (code[at + i] = byte));
    }
    return Uint8Array.from(code);
  }
}
