import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configurationFor, configurationProblem, initialConfigurations } from './launch';

const BASE = '/w';

test('the configuration of a bare image passes the checks of the adapter', () => {
  const configurations = [configurationFor('/w/build/x.elf'), ...initialConfigurations('${workspaceFolder}/x.elf')];
  for (const configuration of configurations) assert.equal(configurationProblem(configuration, BASE), undefined);
});

test('a wrong launch configuration is answered with a sentence that names the key', () => {
  const good = configurationFor('/w/x.elf');
  const cases: readonly (readonly [Readonly<Record<string, unknown>>, RegExp])[] = [
    [{ memroy: '1G' }, /"memroy".*did you mean "memory"/],
    [{ memory: '9G' }, /"memory" can be at most 3G/],
    [{ memory: 512 }, /"memory" must be/],
    [{ cpus: 9 }, /"cpus"/],
    [{ exitBreakpoints: 'exit == CPUID' }, /"exitBreakpoints" must be a list/],
    [{ symbols: [{ layer: 1 }] }, /"symbols\[0\]\.file" is missing/],
    [{ entry: '0x1000' }, /"entry" needs "loadAddress"/],
    [{ request: 'attach' }, /"request" must be "launch"/],
    [{ program: undefined }, /"program" is missing/],
  ];
  for (const [change, expected] of cases) {
    assert.match(configurationProblem({ ...good, ...change }, BASE) ?? 'accepted', expected);
  }
});
