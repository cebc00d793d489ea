/** Changes of a session's metadata that rules and destinations make: pointers are compiled once. */
import type { Json, Rewrite } from '../../gen/l7mp/config/v1/types.ts';
import { getAt, parsePointer, setAt } from '../../common/json-pointer.ts';
import type { Metadata } from '../core/session.ts';
import { replacePrefix } from './path-prefix.ts';

const compiled = new WeakMap<Rewrite, readonly string[]>();

export function rewriteMetadata(rewrites: readonly Rewrite[], metadata: Metadata): void {
  for (const rewrite of rewrites) {
    let tokens = compiled.get(rewrite);
    if (tokens === undefined) {
      tokens = parsePointer(rewrite.path);
      compiled.set(rewrite, tokens);
    }
    const { value, append, prefix } = rewrite;
    if (append !== undefined) {
      setAt(metadata, tokens, appended(getAt(metadata, tokens), append));
    } else if (prefix !== undefined) {
      const path = getAt(metadata, tokens);
      if (typeof path === 'string') setAt(metadata, tokens, replacePrefix(path, prefix));
    } else {
      // A copy: a later rewrite below this path must not change the configuration.
      setAt(metadata, tokens, typeof value === 'object' && value !== null ? structuredClone(value) : value);
    }
  }
}

/** A list in text grows by a value behind a comma (RFC 9110, section 5.3), a list of JSON by an element. */
function appended(list: Json | undefined, value: string): Json {
  if (Array.isArray(list)) return [...list, value];
  return typeof list === 'string' || typeof list === 'number' ? `${list},${value}` : value;
}
