import type * as vscode from 'vscode';
import { registerAdapterProcess } from './adapter-process';
import { registerCommands } from './commands';
import { registerConfigurationProviders } from './configuration-provider';
import { registerFirstStop } from './first-stop';

export function activate(context: vscode.ExtensionContext): void {
  context.subscriptions.push(
    registerAdapterProcess(context.extensionUri),
    registerConfigurationProviders(),
    registerFirstStop(),
    registerCommands(),
  );
}
