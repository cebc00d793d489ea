/** Objects of the API as they come, before anybody knows what they are. */

export type Plain = Readonly<Record<string, unknown>>;

export function isPlain(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** As Kubernetes merges lists of pods, by a field: an item of `over` takes the place of that of `under`, whole. */
export function mergeItems<T>(key: string, under: readonly T[], over: readonly T[]): T[] {
  const keyOf = (item: T): unknown => (isPlain(item) ? item[key] : undefined);
  const replaced = new Set(over.map(keyOf));
  return [...under.filter((item) => !replaced.has(keyOf(item))), ...over];
}
