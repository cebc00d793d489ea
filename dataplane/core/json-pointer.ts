/** JSON pointers (RFC 6901), compiled once and evaluated often. */
import type { Json } from '../../gen/l7mp/config/v1/types.ts';

/** The reference tokens of a pointer, unescaped. @throws SyntaxError where it isn't one. */
export function parsePointer(pointer: string): readonly string[] {
  if (pointer === '') return [];
  if (!pointer.startsWith('/'))
    throw new SyntaxError(`expected a JSON pointer, as in /IP/src_addr; found "${pointer}"`);
  if (/~(?![01])/.test(pointer)) throw new SyntaxError(`expected ~0 or ~1 after "~" in the JSON pointer "${pointer}"`);
  return pointer
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** The value at a pointer, or undefined. Inherited properties are not seen. */
export function getAt(root: Json, tokens: readonly string[]): Json | undefined {
  let value: Json | undefined = root;
  for (const token of tokens) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, token)) return undefined;
    value = (value as Record<string, Json>)[token];
  }
  return value;
}

/**
 * Sets (or, with undefined, removes) the value at a pointer; parents are made, as objects, and what stands in the way
 * is replaced. `-` appends to an array. The root itself can't be set: an empty pointer changes nothing.
 */
export function setAt(root: Json, tokens: readonly string[], value: Json | undefined): void {
  const last = tokens.at(-1);
  if (last === undefined || typeof root !== 'object' || root === null) return;
  let parent = root as Record<string, Json>;
  for (const token of tokens.slice(0, -1)) {
    let child = Object.hasOwn(parent, token) ? parent[token] : undefined;
    if (typeof child !== 'object' || child === null) {
      if (value === undefined) return;
      child = {};
      define(parent, token, child);
    }
    parent = child as Record<string, Json>;
  }
  if (value !== undefined) define(parent, Array.isArray(parent) && last === '-' ? String(parent.length) : last, value);
  else if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else Reflect.deleteProperty(parent, last);
}

/** An own property even where the name is `__proto__`: a pointer comes from outside. */
function define(parent: Record<string, Json>, key: string, value: Json): void {
  Object.defineProperty(parent, key, { value, writable: true, enumerable: true, configurable: true });
}
