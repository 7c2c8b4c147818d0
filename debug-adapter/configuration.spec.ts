import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseSize, readConfiguration } from './configuration';
import { RequestError } from './errors';

const SEED = 0x5354;

describe('a launch configuration', () => {
  it('has a value for every setting that was not given', () => {
    const { memory, cpus, cpuModel, seed, serial } = readConfiguration({ program: '/a.elf' });
    assert.deepEqual([memory, cpus, cpuModel, seed, serial], [512 << 20, 1, 'strata', 0n, 'console']);
  });

  it('takes the keys that belong to the editor', () => {
    readConfiguration({
      type: 'vmx',
      request: 'launch',
      name: 'x',
      program: '/a.elf',
      __sessionId: '1',
      preLaunchTask: 'make',
    });
  });

  it('reads sizes in K, M and G', () => {
    assert.deepEqual(['64K', '512M', '2G', '1 GiB', '65536'].map(parseSize), [
      65536,
      512 << 20,
      2 * 2 ** 30,
      2 ** 30,
      65536,
    ]);
    assert.equal(parseSize('12X'), undefined);
  });

  it('scopes symbols by layer, VMCS, CR3 or addresses', () => {
    const { symbols } = readConfiguration({
      program: '/a.elf',
      symbols: [
        { file: 'g.elf', layer: 1 },
        { file: 'g.elf', vmcs: '0x5000' },
        { file: 'g.elf', addressRange: '0x1000..0x1fff', loadBias: '-0x1000' },
      ],
    });
    assert.deepEqual(
      symbols.map(({ scope }) => scope),
      [
        { kind: 'layer', level: 1 },
        { kind: 'vmcs', vmcs: 0x5000n },
        { kind: 'range', start: 0x1000n, end: 0x1fffn },
      ],
    );
    assert.equal(symbols[2].loadBias, -0x1000n);
  });

  it('is read or refused with a sentence, whatever the values', () => {
    const key = fc.constantFrom(
      'program',
      'memory',
      'symbols',
      'modules',
      'serial',
      'seed',
      'entry',
      'loadAddress',
      'exitBreakpoints',
      'x',
    );
    fc.assert(
      fc.property(fc.dictionary(key, fc.jsonValue()), (values) => {
        try {
          readConfiguration(values);
        } catch (error) {
          assert.ok(error instanceof RequestError, String(error));
          assert.match(error.message, /^Launch configuration: .*\.$|[?]$|:/);
        }
      }),
      { seed: SEED, numRuns: 500 },
    );
  });
});
