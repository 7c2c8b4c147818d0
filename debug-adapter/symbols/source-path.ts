/** Source file names as compilers write them and as editors ask for them. */

function isAbsolute(path: string): boolean {
  return path.startsWith('/') || /^[A-Za-z]:[\\/]/.test(path) || path.startsWith('\\\\');
}

/** Joins a directory and a name, resolving '.' and '..'; backslashes become slashes. */
export function joinPath(directory: string, name: string): string {
  const joined = directory === '' || isAbsolute(name) ? name : `${directory}/${name}`;
  const slashed = joined.replaceAll('\\', '/');
  const root = slashed.startsWith('/') ? '/' : '';
  const parts: string[] = [];
  for (const part of slashed.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.length > 0 && parts[parts.length - 1] !== '..') parts.pop();
    else if (root === '') parts.push(part);
  }
  return root + parts.join('/');
}

export function normalisePath(path: string): string {
  return joinPath('', path);
}

/** Number of whole path components two normalised paths share at their end. */
function commonSuffix(a: readonly string[], b: readonly string[]): number {
  let n = 0;
  while (n < a.length && n < b.length && a[a.length - 1 - n] === b[b.length - 1 - n]) n++;
  return n;
}

/**
 * Which of the known sources an asked path means: equal after normalising, otherwise all with the longest common suffix of
 * at least the file name. Several when the answer is not unique.
 */
export function matchSources(asked: string, known: readonly string[]): readonly number[] {
  const wanted = normalisePath(asked);
  const exact: number[] = [];
  known.forEach((path, index) => {
    if (path === wanted) exact.push(index);
  });
  if (exact.length > 0) return exact;
  const parts = wanted.split('/');
  let best = 1;
  let found: number[] = [];
  known.forEach((path, index) => {
    const length = commonSuffix(parts, path.split('/'));
    if (length > best) {
      best = length;
      found = [index];
    } else if (length === best) found.push(index);
  });
  return found;
}
