/** The key of the consistent balancers: which part of a session's metadata is hashed. */
import type { Json } from '../../gen/l7mp/config/v1/types.ts';
import { getAt, parsePointer } from '../core/json-pointer.ts';
import type { Metadata } from '../core/session.ts';

/** Gives the text to hash; undefined where the session has none: then any endpoint does. */
export type KeyOf = (metadata: Metadata) => string | undefined;

/**
 * A JSON pointer (`/IP/src_addr`), or the id of a protocol field (`IP_src_addr`, `IP.src_addr`). `<RANDOM>` and an
 * absent key give nothing.
 */
export function keyOf(key: string | undefined): KeyOf {
  if (key === undefined || key === '' || key === '<RANDOM>') return () => undefined;
  const tokens = key.startsWith('/') ? parsePointer(key) : undefined;
  const alternatives = tokens ? [tokens] : [key.split('.'), splitFirst(key), [key]];
  return (metadata) => {
    for (const path of alternatives) {
      const value: Json | undefined = getAt(metadata, path);
      if (value !== undefined) return typeof value === 'string' ? value : JSON.stringify(value);
    }
    return undefined;
  };
}

/** `UDP_src_port` is `src_port` of `UDP`. */
function splitFirst(key: string): readonly string[] {
  const at = key.indexOf('_');
  return at < 0 ? [key] : [key.slice(0, at), key.slice(at + 1)];
}
