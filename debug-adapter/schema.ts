/** The part of JSON schema that launch configurations need, so that the schema the editor shows and the checks are one table. */
export interface Schema {
  readonly type?: 'string' | 'boolean' | 'integer' | 'array' | 'object';
  readonly description?: string;
  readonly markdownDescription?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  /** What a value must look like, completing "must be ...". */
  readonly patternErrorMessage?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: false;
  readonly anyOf?: readonly Schema[];
}

function typeMatches(type: Schema['type'], value: unknown): boolean {
  switch (type) {
    case undefined:
      return true;
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isSafeInteger(value);
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    default:
      return typeof value === type;
  }
}

const ARTICLES = {
  string: 'a string',
  boolean: 'true or false',
  integer: 'a whole number',
  array: 'a list',
  object: 'an object',
};

function expectation(schema: Schema): string {
  if (schema.anyOf !== undefined) return schema.anyOf.map(expectation).join(' or ');
  if (schema.enum !== undefined) return schema.enum.map((value) => `"${value}"`).join(' or ');
  if (schema.patternErrorMessage !== undefined) return schema.patternErrorMessage;
  if (schema.minimum !== undefined) return `a whole number from ${schema.minimum} to ${schema.maximum ?? '...'}`;
  if (schema.properties !== undefined) {
    return `an object with ${Object.keys(schema.properties)
      .map((key) => `"${key}"`)
      .join(', ')}`;
  }
  return schema.type === undefined ? 'a value' : ARTICLES[schema.type];
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** Edit distance, for "did you mean". */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}

function unknownKey(key: string, path: string, known: readonly string[]): string {
  const near = known
    .map((name) => ({ name, far: distance(key.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.far - b.far)[0];
  const hint =
    near !== undefined && near.far <= 3 ? `did you mean "${near.name}"?` : `known keys: ${known.join(', ')}.`;
  return `"${path}" is not a launch setting; ${hint}`;
}

/**
 * The first thing wrong with a value, as a sentence that names the key and the remedy; undefined if all is well.
 * `ignored` says which keys at the top belong to somebody else.
 */
export function violation(
  schema: Schema,
  value: unknown,
  path: string,
  ignored: (key: string) => boolean = () => false,
): string | undefined {
  if (schema.anyOf !== undefined) {
    const failures = schema.anyOf.map((option) => violation(option, value, path));
    if (failures.includes(undefined)) return undefined;
    // The alternative of the right type says most precisely what is wrong.
    const closest = schema.anyOf.findIndex((option) => option.type === 'object' && typeMatches('object', value));
    return closest >= 0 ? failures[closest] : `"${path}" must be ${expectation(schema)}, not ${show(value)}.`;
  }
  const bad = `"${path}" must be ${expectation(schema)}, not ${show(value)}.`;
  if (!typeMatches(schema.type, value)) return bad;
  if (schema.enum !== undefined && !(typeof value === 'string' && schema.enum.includes(value))) return bad;
  if (schema.pattern !== undefined && !(typeof value === 'string' && new RegExp(schema.pattern).test(value)))
    return bad;
  if (typeof value === 'number' && (value < (schema.minimum ?? value) || value > (schema.maximum ?? value))) return bad;
  if (Array.isArray(value) && schema.items !== undefined) {
    for (const [index, item] of value.entries()) {
      const wrong = violation(schema.items, item, `${path}[${index}]`);
      if (wrong !== undefined) return wrong;
    }
  }
  if (schema.properties === undefined) return undefined;
  const object = value as Readonly<Record<string, unknown>>;
  const prefix = path === '' ? '' : `${path}.`;
  for (const [key, member] of Object.entries(object)) {
    if (member === undefined || member === null || ignored(key)) continue;
    const known = schema.properties[key];
    if (known === undefined) {
      if (schema.additionalProperties === false) return unknownKey(key, prefix + key, Object.keys(schema.properties));
      continue;
    }
    const wrong = violation(known, member, prefix + key);
    if (wrong !== undefined) return wrong;
  }
  for (const key of schema.required ?? []) {
    if (object[key] === undefined || object[key] === null) {
      return `"${prefix}${key}" is missing: ${schema.properties[key].description ?? expectation(schema.properties[key])}`;
    }
  }
  return undefined;
}
