/** JSON values whose shape is not known: what others wrote into metadata, messages and objects. */
import type { Json } from '../gen/l7mp/config/v1/types.ts';

export type JsonObject = Record<string, Json>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value where it is an object; an empty one else. */
export function jsonObject(value: unknown): Readonly<JsonObject> {
  return isJsonObject(value) ? value : EMPTY;
}

const EMPTY: Readonly<JsonObject> = Object.freeze({});
