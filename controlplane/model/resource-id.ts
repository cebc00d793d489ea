/** Resources by what they are called. */
import type { ResourceKey } from '../core/resource.ts';

/** A resource's key in one string, for tables. */
export function resourceId({ typeUrl, name }: ResourceKey): string {
  return `${typeUrl} ${name}`;
}
