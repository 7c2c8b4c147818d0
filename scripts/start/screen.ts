/** How the tour looks: headings, indented lines, and what the guest prints in a margin of its own. */
import { basename } from 'node:path';
import type { DebugProtocol } from '@vscode/debugprotocol';
import pc from 'picocolors';

export function heading(text: string): void {
  console.log(`\n${pc.bold(pc.cyan(`── ${text} `.padEnd(96, '─')))}`);
}

export function line(text = '', indent = 2): void {
  console.log(' '.repeat(indent) + text);
}

/** Shows what the guest prints, a whole line at a time. */
export function guestPrinter(): (text: string) => void {
  let rest = '';
  return (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const printed of lines) console.log(`  ${pc.dim('serial │')} ${pc.green(printed.trimEnd())}`);
  };
}

export function place(frame: DebugProtocol.StackFrame): string {
  const file = frame.source?.path ?? frame.source?.name;
  return pc.dim((file === undefined ? '' : `${basename(file)}:${frame.line}`).padEnd(20));
}

export function showFrames(frames: readonly DebugProtocol.StackFrame[]): void {
  for (const frame of frames) {
    if (frame.presentationHint === 'label') line(pc.magenta(`┄ ${frame.name}`), 6);
    else line(`${frame.name.padEnd(28)} ${place(frame)}`, 6);
  }
}

export function showVariables(variables: readonly DebugProtocol.Variable[], indent = 6): void {
  const width = Math.max(0, ...variables.map(({ name }) => name.length));
  for (const { name, value } of variables) line(`${name.padEnd(width)}  ${pc.yellow(value)}`, indent);
}
