import { ByteBuffer } from './bytes';
import type { ValueType } from './expr';
import { FunctionBuilder, TYPE_CODE } from './function-builder';

export interface Signature {
  readonly params: readonly ValueType[];
  readonly result?: ValueType;
}

const FUNCREF = 0x70;

/** Assembles a module over one imported memory (`env.memory`). Imports come first in the function index space. */
export class ModuleBuilder {
  private readonly types: Signature[] = [];
  private readonly imports: { readonly name: string; readonly type: number }[] = [];
  private readonly functions: { readonly type: number; readonly body: FunctionBuilder; readonly name?: string }[] = [];

  private readonly elements: number[] = [];

  /** Type index of a signature, for indirect calls. */
  type(signature: Signature): number {
    return this.typeIndex(signature);
  }

  /** Appends a function to the module's own table; returns its index there. */
  addElement(functionIndex: number): number {
    return this.elements.push(functionIndex) - 1;
  }

  private typeIndex(signature: Signature): number {
    const key = JSON.stringify(signature);
    const found = this.types.findIndex((type) => JSON.stringify(type) === key);
    return found >= 0 ? found : this.types.push(signature) - 1;
  }

  /** Declares an import from module `env`; returns its function index. All imports precede all functions. */
  importFunction(name: string, signature: Signature): number {
    if (this.functions.length > 0) throw new Error('imports must be declared before functions');
    return this.imports.push({ name, type: this.typeIndex(signature) }) - 1;
  }

  /** Adds a function, exported if it has a name; returns its index and the builder of its body. */
  addFunction(signature: Signature, name?: string): { readonly index: number; readonly body: FunctionBuilder } {
    const body = new FunctionBuilder(signature.params.length);
    const position = this.functions.push({ type: this.typeIndex(signature), body, name }) - 1;
    return { index: this.imports.length + position, body };
  }

  encode(): Uint8Array<ArrayBuffer> {
    const out = new ByteBuffer();
    out.bytes([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);
    const section = (id: number, write: (to: ByteBuffer) => void): void => {
      const content = new ByteBuffer();
      write(content);
      out.byte(id);
      out.unsigned(content.length);
      out.bytes(content.view());
    };
    section(1, (to) => {
      to.unsigned(this.types.length);
      for (const { params, result } of this.types) {
        to.byte(0x60);
        to.unsigned(params.length);
        for (const param of params) to.byte(TYPE_CODE[param]);
        to.unsigned(result ? 1 : 0);
        if (result) to.byte(TYPE_CODE[result]);
      }
    });
    section(2, (to) => {
      to.unsigned(this.imports.length + 1);
      for (const { name, type } of this.imports) {
        to.name('env');
        to.name(name);
        to.byte(0x00);
        to.unsigned(type);
      }
      to.name('env');
      to.name('memory');
      to.bytes([0x02, 0x00]);
      to.unsigned(1);
    });
    section(3, (to) => {
      to.unsigned(this.functions.length);
      for (const { type } of this.functions) to.unsigned(type);
    });
    section(4, (to) => {
      to.unsigned(1);
      to.byte(FUNCREF);
      to.byte(0x00);
      to.unsigned(this.elements.length);
    });
    section(7, (to) => {
      const exported = this.functions.flatMap(({ name }, i) => (name === undefined ? [] : [{ name, i }]));
      to.unsigned(exported.length);
      for (const { name, i } of exported) {
        to.name(name);
        to.byte(0x00);
        to.unsigned(this.imports.length + i);
      }
    });
    section(9, (to) => {
      to.unsigned(1);
      // Active in table 0 from offset 0.
      to.bytes([0x00, 0x41, 0x00, 0x0b]);
      to.unsigned(this.elements.length);
      for (const index of this.elements) to.unsigned(index);
    });
    section(10, (to) => {
      to.unsigned(this.functions.length);
      for (const { body } of this.functions) {
        const header = new ByteBuffer();
        const runs: { type: ValueType; count: number }[] = [];
        for (const type of body.locals) {
          const last = runs.at(-1);
          if (last?.type === type) last.count++;
          else runs.push({ type, count: 1 });
        }
        header.unsigned(runs.length);
        for (const { type, count } of runs) {
          header.unsigned(count);
          header.byte(TYPE_CODE[type]);
        }
        to.unsigned(header.length + body.code.length + 1);
        to.bytes(header.view());
        to.bytes(body.code.view());
        to.byte(0x0b);
      }
    });
    return out.view().slice();
  }
}
