/**
 * What a client or a person can do wrong, each as one sentence that names the place and the remedy. Nothing else is shown to
 * the person, so any other exception that reaches the dispatcher is a defect of the adapter.
 */
export class RequestError extends Error {
  constructor(
    /** Stable number of the kind of error, for clients that tell them apart. */
    readonly id: number,
    message: string,
    /** The editor shows it in a notification, not only in the place where the request came from. */
    readonly notify = false,
  ) {
    super(message);
  }
}

const list = (names: readonly string[]): string => names.join(', ');

export const requestErrors = {
  unknownRequest: (command: string) => new RequestError(1001, `This debugger has no request "${command}".`),
  badArgument: (command: string, name: string, expected: string) =>
    new RequestError(1002, `Request "${command}": argument "${name}" must be ${expected}.`),
  notLaunched: () =>
    new RequestError(1003, 'There is no machine yet: send "launch" first (and wait for its response).'),
  running: () => new RequestError(1004, 'The machine is running: pause it first.'),
  alreadyLaunched: () => new RequestError(1006, 'This session has launched its machine already: use "restart".'),
  unknownThread: (id: number, known: readonly string[]) =>
    new RequestError(1010, `There is no thread ${id}; the threads are ${list(known)}.`),
  unknownFrame: (id: number) =>
    new RequestError(1011, `There is no stack frame ${id} any more: ask for the stack trace again.`),
  unknownReference: (reference: number) =>
    new RequestError(1012, `Variables reference ${reference} is not valid any more: ask for the scopes again.`),
  unknownVariable: (name: string) => new RequestError(1013, `There is no variable "${name}" here.`),
  notWritable: (name: string) => new RequestError(1014, `"${name}" cannot be changed.`),
  badValue: (text: string, why: string) => new RequestError(1015, `"${text}" is not a value: ${why}`),
  refused: (sentence: string) => new RequestError(1016, sentence),
  badReference: (reference: string) =>
    new RequestError(
      1020,
      `"${reference}" is not a memory reference: expected an address like "0x7c00", or "thread:0x7c00" for another layer.`,
    ),
  badConfiguration: (sentence: string) => new RequestError(1030, sentence, true),
  badExpression: (sentence: string) => new RequestError(1040, sentence),
  noException: () => new RequestError(1050, 'The machine did not stop for an exception or a transition.'),
  internal: (command: string, what: string) =>
    new RequestError(
      1099,
      `Internal error in request "${command}": ${what}. The session goes on; please report it.`,
      true,
    ),
};

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
