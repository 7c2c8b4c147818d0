import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { add, call, get, i64, load64, select, ltU, i32 } from './expr';
import { ModuleBuilder } from './module-builder';

/** Instantiates a module of one exported function without parameters that returns `build`'s i64. */
function evaluate(build: (module: ModuleBuilder) => void): bigint {
  const module = new ModuleBuilder();
  build(module);
  const memory = new WebAssembly.Memory({ initial: 1 });
  new BigInt64Array(memory.buffer)[1] = -7n;
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), { env: { memory } });
  return BigInt(instance.exports.result());
}

test('a constant of any value comes out of the engine as it went in', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
      const result = evaluate((module) =>
        module.addFunction({ params: [], result: 'i64' }, 'result').body.emit(i64(value)),
      );
      assert.equal(result, value);
    }),
    { seed: 20261122, numRuns: 300 },
  );
});

test('branches reach their labels whatever is nested between', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), fc.nat(199), (depth, wanted) => {
      const target = wanted % depth;
      const result = evaluate((module) => {
        const { body: f } = module.addFunction({ params: [], result: 'i64' }, 'result');
        const left = f.newLocal('i64');
        const labels = Array.from({ length: depth }, () => f.block());
        f.br(labels[target]);
        // Ends the blocks from the innermost: each one passed normally counts.
        for (let i = depth - 1; i >= 0; i--) {
          f.end();
          f.set(left, add(get(left), i64(1)));
        }
        f.emit(get(left));
      });
      assert.equal(result, BigInt(target + 1));
    }),
    { seed: 20261122, numRuns: 50 },
  );
});

test('functions call each other and read the imported memory', () => {
  const result = evaluate((module) => {
    const helper = module.addFunction({ params: ['i64'], result: 'i64' });
    helper.body.emit(select(get(0), i64(5), ltU(get(0), i64(5))));
    const { body } = module.addFunction({ params: [], result: 'i64' }, 'result');
    body.emit(add(call(helper.index, i64(3)), add(call(helper.index, i64(9)), load64(i32(8)))));
  });
  assert.equal(result, 3n + 5n - 7n);
});

test('imports cannot be declared after a function has its index', () => {
  const module = new ModuleBuilder();
  module.addFunction({ params: [] });
  assert.throws(() => module.importFunction('late', { params: [] }), /before functions/);
});
