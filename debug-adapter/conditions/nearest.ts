/** Of known names, the one a mistyped name most probably means; undefined where none is near. */
export function nearest(typed: string, known: Iterable<string>): string | undefined {
  const wanted = typed.slice(0, MAXIMUM_LENGTH).toLowerCase();
  // A third of the letters may be wrong; of one letter, none.
  let allowed = Math.floor((wanted.length + 1) / 3);
  let best: string | undefined;
  for (const name of known) {
    if (Math.abs(name.length - wanted.length) > allowed) continue;
    const edits = distance(wanted, name.toLowerCase(), allowed);
    if (edits <= allowed) {
      best = name;
      allowed = edits - 1;
      if (allowed < 0) break;
    }
  }
  return best;
}

const MAXIMUM_LENGTH = 64;

/** Edit distance where a swap of neighbours counts once; some number above `limit` where it is more than that. */
function distance(a: string, b: string, limit: number): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let edits = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + same);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) edits = Math.min(edits, beforeLast[j - 2] + 1);
      row.push(edits);
    }
    if (Math.min(...row) > limit + 1) return limit + 1;
    beforeLast = last;
    last = row;
  }
  return last[b.length];
}
