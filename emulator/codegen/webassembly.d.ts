/** The part of the WebAssembly JavaScript interface that is used here, so that the browser's type library is not needed. */
declare namespace WebAssembly {
  class Memory {
    constructor(descriptor: { readonly initial: number; readonly maximum?: number });
    readonly buffer: ArrayBuffer;
  }
  class Module {
    constructor(bytes: Uint8Array);
  }
  type ImportValue = Memory | ((...args: never[]) => number | bigint | void);
  class Instance {
    constructor(module: Module, imports: Readonly<Record<string, Readonly<Record<string, ImportValue>>>>);
    readonly exports: Readonly<Record<string, (...args: (number | bigint)[]) => number>>;
  }
  function validate(bytes: Uint8Array): boolean;
}
