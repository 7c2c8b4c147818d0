import * as vscode from 'vscode';
import { findProgram } from './find-program';
import { configurationFor } from './launch';

/** Debugs an image, given by the explorer or an editor's title, or else the one the active editor stands for. */
async function debugFile(file?: vscode.Uri): Promise<void> {
  const program = file?.fsPath ?? (await findProgram());
  if (program === undefined) return;
  const folder = vscode.workspace.getWorkspaceFolder(vscode.Uri.file(program));
  await vscode.debug.startDebugging(folder, { ...configurationFor(program) });
}

export function registerCommands(): vscode.Disposable {
  return vscode.Disposable.from(
    vscode.commands.registerCommand('strata.debugFile', debugFile),
    vscode.commands.registerCommand('strata.pickProgram', () => findProgram()),
  );
}
