import { basename } from 'node:path';
import { readConfiguration } from '../debug-adapter/configuration';
import { messageOf } from '../debug-adapter/errors';

export const DEBUG_TYPE = 'vmx';

/** A launch configuration as the editor hands it around. */
export interface VmxConfiguration {
  readonly type: string;
  readonly request: string;
  readonly name: string;
  readonly program?: string;
  readonly [key: string]: unknown;
}

/** The configuration of a program nobody wrote a launch.json for. */
export function configurationFor(program: string): VmxConfiguration {
  return { type: DEBUG_TYPE, request: 'launch', name: `Strata: ${basename(program)}`, program };
}

/** What a new launch.json starts with. */
export function initialConfigurations(program: string): readonly VmxConfiguration[] {
  return [
    { ...configurationFor(program), name: `Strata: run ${basename(program)}` },
    {
      ...configurationFor(program),
      name: `Strata: ${basename(program)}, stop at the first CPUID exit`,
      exitBreakpoints: ['exit == CPUID'],
    },
  ];
}

/** What is wrong with a configuration, as a sentence that names the key; undefined if all is well. */
export function configurationProblem(
  configuration: Readonly<Record<string, unknown>>,
  base: string,
): string | undefined {
  if (configuration.request !== 'launch') {
    return `Launch configuration: "request" must be "launch", not ${JSON.stringify(configuration.request)}: there is no machine to attach to.`;
  }
  try {
    readConfiguration(configuration, base);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
