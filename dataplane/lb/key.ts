/** The key of the consistent balancers: which part of a session's metadata is hashed. */
import type { Json } from '../../gen/l7mp/config/v1/types.ts';
import { getAt, parsePointer } from '../../common/json-pointer.ts';
import type { Metadata } from '../core/session.ts';

/** Gives the text to hash; undefined where the session has none: then any endpoint does. */
export type KeyOf = (metadata: Metadata) => string | undefined;

/**
 * A JSON pointer (`/IP/src_addr`), or the id of a protocol's field, with its protocol (`IP_src_addr`, `IP.src_addr`) or
 * without (`src_addr`, `src_port`: of whichever protocol has it). `<RANDOM>` and an absent key give nothing.
 */
export function keyOf(key: string | undefined): KeyOf {
  if (key === undefined || key === '' || key === '<RANDOM>') return () => undefined;
  if (key.startsWith('/')) {
    const path = parsePointer(key);
    return (metadata) => textOf(getAt(metadata, path));
  }
  const paths = [[key], key.split('.'), splitFirst(key)];
  return (metadata) => {
    for (const path of paths) {
      const value = getAt(metadata, path);
      if (value !== undefined) return textOf(value);
    }
    for (const protocol of Object.values(metadata)) {
      const value = getAt(protocol, [key]);
      if (value !== undefined) return textOf(value);
    }
    return undefined;
  };
}

function textOf(value: Json | undefined): string | undefined {
  return typeof value === 'string' || value === undefined ? value : JSON.stringify(value);
}

/** `UDP_src_port` is `src_port` of `UDP`. */
function splitFirst(key: string): readonly string[] {
  const at = key.indexOf('_');
  return at < 0 ? [key] : [key.slice(0, at), key.slice(at + 1)];
}
