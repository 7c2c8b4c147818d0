import { dirname, relative, sep } from 'node:path';

/** How many steps through folders lead from one file to another: 0 if they lie side by side. */
export function folderDistance(from: string, to: string): number {
  const way = relative(dirname(from), dirname(to));
  return way === '' ? 0 : way.split(sep).length;
}

/**
 * Of several images the ones that belong to a source file: those inside its own folder, or else the nearest folder around it
 * that holds any. The nearest come first; with several at the same distance the order is the alphabet's.
 */
export function imagesOf(source: string, images: readonly string[]): readonly string[] {
  const byDistance = [...images].sort(
    (a, b) => folderDistance(source, a) - folderDistance(source, b) || a.localeCompare(b),
  );
  for (let folder = dirname(source); ; folder = dirname(folder)) {
    const inside = byDistance.filter((image) => image.startsWith(folder.endsWith(sep) ? folder : folder + sep));
    if (inside.length > 0) return inside;
    if (folder === dirname(folder)) return [];
  }
}
