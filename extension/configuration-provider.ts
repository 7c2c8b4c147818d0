import * as vscode from 'vscode';
import { activeFile, findImages, findProgram } from './find-program';
import { configurationFor, configurationProblem, DEBUG_TYPE, initialConfigurations } from './launch';
import { imagesOf } from './nearest';

/** The folder that relative paths of a configuration start from. */
export function baseFolder(folder: vscode.WorkspaceFolder | undefined): string {
  return folder?.uri.fsPath ?? vscode.workspace.workspaceFolders?.[0].uri.fsPath ?? process.cwd();
}

function isEmpty(configuration: vscode.DebugConfiguration): boolean {
  return !configuration.type && !configuration.request && !configuration.name;
}

/** Completes launch configurations and checks them before a process is started for them. */
class ResolvingProvider implements vscode.DebugConfigurationProvider {
  async provideDebugConfigurations(folder: vscode.WorkspaceFolder | undefined): Promise<vscode.DebugConfiguration[]> {
    const images = await findImages(folder);
    const active = activeFile();
    const own = active === undefined ? images : imagesOf(active, images);
    const program = own[0] ?? images[0];
    const base = baseFolder(folder);
    const inWorkspace = program?.startsWith(`${base}/`) ? `\${workspaceFolder}${program.slice(base.length)}` : program;
    return [...initialConfigurations(inWorkspace ?? '${workspaceFolder}/kernel.elf')];
  }

  async resolveDebugConfiguration(
    folder: vscode.WorkspaceFolder | undefined,
    configuration: vscode.DebugConfiguration,
  ): Promise<vscode.DebugConfiguration | undefined> {
    if (isEmpty(configuration)) {
      const program = await findProgram(folder);
      return program === undefined ? undefined : configurationFor(program);
    }
    if (configuration.program !== undefined && configuration.program !== '') return configuration;
    const program = await findProgram(folder);
    return program === undefined ? undefined : { ...configuration, program };
  }

  async resolveDebugConfigurationWithSubstitutedVariables(
    folder: vscode.WorkspaceFolder | undefined,
    configuration: vscode.DebugConfiguration,
  ): Promise<vscode.DebugConfiguration | undefined | null> {
    const problem = configurationProblem(configuration, baseFolder(folder));
    if (problem === undefined) return configuration;
    const answer = await vscode.window.showErrorMessage(problem, { modal: true }, 'Open launch.json');
    // Null opens launch.json, undefined gives up silently.
    return answer === undefined ? undefined : null;
  }
}

/** One configuration for every image of the workspace, without a launch.json. */
class DynamicProvider implements vscode.DebugConfigurationProvider {
  async provideDebugConfigurations(folder: vscode.WorkspaceFolder | undefined): Promise<vscode.DebugConfiguration[]> {
    return (await findImages(folder)).map((image) => ({
      ...configurationFor(image),
      name: `Strata: ${vscode.workspace.asRelativePath(image, false)}`,
    }));
  }
}

export function registerConfigurationProviders(): vscode.Disposable {
  return vscode.Disposable.from(
    vscode.debug.registerDebugConfigurationProvider(
      DEBUG_TYPE,
      new ResolvingProvider(),
      vscode.DebugConfigurationProviderTriggerKind.Initial,
    ),
    vscode.debug.registerDebugConfigurationProvider(
      DEBUG_TYPE,
      new DynamicProvider(),
      vscode.DebugConfigurationProviderTriggerKind.Dynamic,
    ),
  );
}
