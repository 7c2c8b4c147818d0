import * as vscode from 'vscode';
import { DEBUG_TYPE } from './launch';

interface Message {
  readonly type?: string;
  readonly event?: string;
}

/**
 * Shows the Run and Debug view when a session stops for the first time, if the person has left `debug.openDebug` at "when a
 * debug session breaks". The editor itself does so for breakpoints only, and a machine that stops at a VM exit has hit none.
 */
class FirstStop implements vscode.DebugAdapterTracker {
  private shown = false;

  constructor(private readonly session: vscode.DebugSession) {}

  onDidSendMessage(message: Message): void {
    if (this.shown || message.type !== 'event' || message.event !== 'stopped') return;
    this.shown = true;
    const wanted = vscode.workspace.getConfiguration('debug', this.session.workspaceFolder).get<string>('openDebug');
    if (wanted === 'openOnDebugBreak') void this.show();
  }

  private async show(): Promise<void> {
    await vscode.commands.executeCommand('workbench.view.debug');
    // Opening a view takes the keyboard; it belongs to the source.
    await vscode.commands.executeCommand('workbench.action.focusActiveEditorGroup');
  }
}

export function registerFirstStop(): vscode.Disposable {
  return vscode.debug.registerDebugAdapterTrackerFactory(DEBUG_TYPE, {
    createDebugAdapterTracker: (session) => new FirstStop(session),
  });
}
