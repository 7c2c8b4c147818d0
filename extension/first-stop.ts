import * as vscode from 'vscode';
import { DEBUG_TYPE } from './launch';

/**
 * Shows the Run and Debug view when a session stops for the first time, if the person has left `debug.openDebug` at "when a
 * debug session breaks". The editor itself does so for breakpoints only, and a machine that stops at a VM exit has hit none.
 * Waits for the editor to have focused a frame: opened earlier, the view fetches the stack a second time, and the editor does
 * not show the exception of a frame that it no longer finds there.
 */
export function registerFirstStop(): vscode.Disposable {
  const seen = new Set<string>();
  return vscode.Disposable.from(
    vscode.debug.onDidTerminateDebugSession(({ id }) => seen.delete(id)),
    vscode.debug.onDidChangeActiveStackItem((item) => {
      if (!(item instanceof vscode.DebugStackFrame)) return;
      const { session } = item;
      if (session.type !== DEBUG_TYPE || seen.has(session.id)) return;
      seen.add(session.id);
      const wanted = vscode.workspace.getConfiguration('debug', session.workspaceFolder).get<string>('openDebug');
      if (wanted === 'openOnDebugBreak') void showRunAndDebug();
    }),
  );
}

async function showRunAndDebug(): Promise<void> {
  await vscode.commands.executeCommand('workbench.view.debug');
  // Opening a view takes the keyboard; it belongs to the source.
  await vscode.commands.executeCommand('workbench.action.focusActiveEditorGroup');
}
