import { extname } from 'node:path';
import * as vscode from 'vscode';
import { isBootableElfFile, SOURCE_EXTENSIONS } from './image';
import { imagesOf } from './nearest';

const NOT_SEARCHED = '{**/node_modules/**,**/.git/**,**/.cache/**}';
const MOST_FILES = 200;

/** The file in the active editor, whatever kind of editor it is: an ELF file has no text editor. */
export function activeFile(): string | undefined {
  const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
  const uri =
    vscode.window.activeTextEditor?.document.uri ??
    (input instanceof vscode.TabInputText || input instanceof vscode.TabInputCustom ? input.uri : undefined);
  return uri?.scheme === 'file' ? uri.fsPath : undefined;
}

/** The x86 programs in a workspace folder, or in all of them. */
export async function findImages(folder?: vscode.WorkspaceFolder): Promise<readonly string[]> {
  const named = '**/{*.elf,*.ELF,kernel,vmm,hypervisor}';
  const pattern = folder === undefined ? named : new vscode.RelativePattern(folder, named);
  const files = (await vscode.workspace.findFiles(pattern, NOT_SEARCHED, MOST_FILES)).map((uri) => uri.fsPath).sort();
  const bootable = await Promise.all(files.map(isBootableElfFile));
  return files.filter((_, index) => bootable[index]);
}

async function pick(images: readonly string[], title: string): Promise<string | undefined> {
  const items = images.map((image) => ({ label: vscode.workspace.asRelativePath(image, true), image }));
  return (await vscode.window.showQuickPick(items, { title, placeHolder: 'Image to boot' }))?.image;
}

async function browse(): Promise<string | undefined> {
  const chosen = await vscode.window.showOpenDialog({
    title: 'Image to boot',
    openLabel: 'Debug',
    canSelectMany: false,
    filters: { 'ELF images': ['elf'], 'All files': ['*'] },
  });
  return chosen?.[0].fsPath;
}

async function tellNothingFound(active: string | undefined): Promise<string | undefined> {
  const sentence =
    active !== undefined && SOURCE_EXTENSIONS.has(extname(active).toLowerCase())
      ? `There is no x86 ELF image beside ${vscode.workspace.asRelativePath(active)} or in a folder around it: build it first, or name the image as "program" in launch.json.`
      : 'There is no x86 ELF image in this workspace: build one first, or name the image as "program" in launch.json.';
  const answer = await vscode.window.showErrorMessage(sentence, 'Choose a File…');
  return answer === undefined ? undefined : browse();
}

/**
 * The program a person most likely means: the image in the active editor, the one built from the source there, the only one of
 * the workspace, or what they pick from a list. Undefined if they were asked and gave no answer.
 */
export async function findProgram(folder?: vscode.WorkspaceFolder): Promise<string | undefined> {
  const active = activeFile();
  if (active !== undefined && (await isBootableElfFile(active))) return active;
  const images = await findImages(folder);
  const own = active === undefined ? images : imagesOf(active, images);
  if (own.length === 1) return own[0];
  if (own.length > 1)
    return pick(
      own,
      active === undefined ? 'Debug with Strata' : `Debug ${vscode.workspace.asRelativePath(active)} with Strata`,
    );
  return images.length > 0 ? pick(images, 'Debug with Strata') : tellNothingFound(active);
}
