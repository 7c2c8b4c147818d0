/** The debug adapter's process: speaks the protocol on stdio, or with `--port N` to one client after the other on loopback. */
import { createServer } from 'node:net';
import { bootMachine } from './boot';
import { Session } from './session';

function portOf(args: readonly string[]): number | undefined {
  const index = args.findIndex((arg) => arg === '--port' || arg.startsWith('--port='));
  if (index < 0) return undefined;
  const text = args[index].includes('=') ? args[index].slice('--port='.length) : args[index + 1];
  const port = Number(text);
  if (text === undefined || !/^\d+$/.test(text) || port > 65535) {
    process.stderr.write(`--port needs a number from 0 to 65535, not "${text ?? ''}".\n`);
    process.exit(2);
  }
  return port;
}

const port = portOf(process.argv.slice(2));
if (port === undefined) {
  const session = new Session(bootMachine, () => process.exit(0));
  session.start(process.stdin, process.stdout);
} else {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    const session = new Session(bootMachine, () => socket.end());
    session.start(socket, socket);
  });
  server.on('error', (error) => {
    process.stderr.write(`Cannot listen on port ${port}: ${error.message}.\n`);
    process.exit(2);
  });
  server.listen(port, '127.0.0.1', () => {
    const address = server.address();
    if (address !== null && typeof address === 'object') process.stderr.write(`Listening on port ${address.port}.\n`);
  });
}
