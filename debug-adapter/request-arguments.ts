import { requestErrors } from './errors';

/** A request's arguments, of which nothing is taken on trust: every read checks and names what is wrong. */
export class RequestArguments {
  private readonly values: Readonly<Record<string, unknown>>;

  constructor(
    private readonly command: string,
    values: unknown,
    /** Where these arguments are nested, with a dot. */
    private readonly path = '',
  ) {
    this.values =
      typeof values === 'object' && values !== null && !Array.isArray(values)
        ? (values as Record<string, unknown>)
        : {};
  }

  /** As sent, for readers with checks of their own. */
  get raw(): Readonly<Record<string, unknown>> {
    return this.values;
  }

  has(name: string): boolean {
    return this.values[name] !== undefined && this.values[name] !== null;
  }

  private fail(name: string, expected: string): never {
    throw requestErrors.badArgument(this.command, this.path + name, expected);
  }

  integer(name: string, minimum = 0, maximum = 0x7fff_ffff): number {
    const value = this.values[name];
    if (typeof value !== 'number' || !Number.isInteger(value)) return this.fail(name, 'an integer');
    if (value < minimum || value > maximum) return this.fail(name, `an integer from ${minimum} to ${maximum}`);
    return value;
  }

  optionalInteger(name: string, fallback: number, minimum = 0, maximum = 0x7fff_ffff): number {
    return this.has(name) ? this.integer(name, minimum, maximum) : fallback;
  }

  string(name: string): string {
    const value = this.values[name];
    return typeof value === 'string' ? value : this.fail(name, 'a string');
  }

  optionalString(name: string): string | undefined {
    return this.has(name) ? this.string(name) : undefined;
  }

  boolean(name: string, fallback: boolean): boolean {
    if (!this.has(name)) return fallback;
    const value = this.values[name];
    return typeof value === 'boolean' ? value : this.fail(name, 'true or false');
  }

  /** A nested object; empty when absent. */
  object(name: string): RequestArguments {
    const path = `${this.path}${name}.`;
    if (!this.has(name)) return new RequestArguments(this.command, {}, path);
    const value = this.values[name];
    if (typeof value !== 'object' || Array.isArray(value)) return this.fail(name, 'an object');
    return new RequestArguments(this.command, value, path);
  }

  /** A list of objects; empty when absent. */
  objects(name: string): readonly RequestArguments[] {
    if (!this.has(name)) return [];
    const value = this.values[name];
    if (!Array.isArray(value)) return this.fail(name, 'a list');
    return value.map((item: unknown, index) => {
      if (typeof item !== 'object' || item === null) return this.fail(name, 'a list of objects');
      return new RequestArguments(this.command, item, `${this.path}${name}[${index}].`);
    });
  }

  strings(name: string): readonly string[] {
    if (!this.has(name)) return [];
    const value = this.values[name];
    if (!Array.isArray(value)) return this.fail(name, 'a list of strings');
    return value.map((item: unknown) => (typeof item === 'string' ? item : this.fail(name, 'a list of strings')));
  }
}
