import * as vscode from 'vscode';
import { baseFolder } from './configuration-provider';
import { DEBUG_TYPE } from './launch';

/**
 * Starts one adapter process a session. The machine computes for seconds on end: inside the extension host it would stop every
 * other extension.
 */
class AdapterProcessFactory implements vscode.DebugAdapterDescriptorFactory {
  constructor(private readonly extensionUri: vscode.Uri) {}

  createDebugAdapterDescriptor(session: vscode.DebugSession): vscode.DebugAdapterDescriptor {
    const adapter = vscode.Uri.joinPath(this.extensionUri, 'dist', 'debug-adapter.js').fsPath;
    return new vscode.DebugAdapterExecutable(process.execPath, [adapter], {
      cwd: baseFolder(session.workspaceFolder),
      // The editor's own executable is Electron on a desktop; with this it is a plain Node.
      env: { ELECTRON_RUN_AS_NODE: '1' },
    });
  }
}

export function registerAdapterProcess(extensionUri: vscode.Uri): vscode.Disposable {
  return vscode.debug.registerDebugAdapterDescriptorFactory(DEBUG_TYPE, new AdapterProcessFactory(extensionUri));
}
