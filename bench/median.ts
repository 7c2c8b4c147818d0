export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('the median of nothing');
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
