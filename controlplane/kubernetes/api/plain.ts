/** Objects of the API as they come, before anybody knows what they are. */
import { isJsonObject, type JsonObject } from '../../../common/json.ts';

export type Plain = Readonly<JsonObject>;

/** As Kubernetes merges lists of pods, by a field: an item of `over` takes the place of that of `under`, whole. */
export function mergeItems<T>(key: string, under: readonly T[], over: readonly T[]): T[] {
  const keyOf = (item: T): unknown => (isJsonObject(item) ? item[key] : undefined);
  const replaced = new Set(over.map(keyOf));
  return [...under.filter((item) => !replaced.has(keyOf(item))), ...over];
}
