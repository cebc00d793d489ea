/** JSON pointers (RFC 6901), compiled once and evaluated often. */
import type { Json } from '../gen/l7mp/config/v1/types.ts';

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

/**
 * The key of a method by which an object gives members that it doesn't hold, since they follow from others and few ask: it
 * is given the member's name, and gives its value, or undefined. Nobody but `getAt` sees such members.
 */
export const DERIVED = Symbol('derived');

interface Deriving {
  readonly [DERIVED]?: (member: string) => Json | undefined;
}

/** The value at a pointer, or undefined. Inherited properties are not seen, and of a list only its elements. */
export function getAt(root: Json, tokens: readonly string[]): Json | undefined {
  let value: Json | undefined = root;
  for (const token of tokens) {
    if (typeof value !== 'object' || value === null) return undefined;
    if (!Object.hasOwn(value, token)) {
      value = (value as Deriving)[DERIVED]?.(token);
      continue;
    }
    if (token === 'length' && Array.isArray(value)) return undefined;
    value = (value as Record<string, Json>)[token];
  }
  return value;
}

/**
 * Sets (or, with undefined, removes) the value at a pointer; parents are made, as objects, and what stands in the way
 * is replaced: so is a list by what is no place in it. `-` appends to a list. The root itself can't be set: an empty
 * pointer changes nothing.
 */
export function setAt(root: Json, tokens: readonly string[], value: Json | undefined): void {
  const [first] = tokens;
  const last = tokens.at(-1);
  if (first === undefined || last === undefined || !holds(root, first)) return;
  let parent = root;
  for (let index = 0; index + 1 < tokens.length; index++) {
    const key = keyIn(parent, tokens[index] ?? '');
    let child = Object.hasOwn(parent, key) ? parent[key] : undefined;
    if (!holds(child, tokens[index + 1] ?? '')) {
      if (value === undefined) return;
      child = {};
      define(parent, key, child);
    }
    parent = child;
  }
  const key = keyIn(parent, last);
  if (value !== undefined) define(parent, key, value);
  else if (!Array.isArray(parent)) Reflect.deleteProperty(parent, key);
  else if (Object.hasOwn(parent, key)) parent.splice(Number(key), 1);
}

/** Whether something can stand there in it: in a list, an element of it, or behind its last. */
function holds(parent: Json | undefined, token: string): parent is Record<string, Json> {
  if (typeof parent !== 'object' || parent === null) return false;
  return !Array.isArray(parent) || token === '-' || (/^(?:0|[1-9]\d*)$/u.test(token) && Number(token) <= parent.length);
}

function keyIn(parent: Record<string, Json>, token: string): string {
  return Array.isArray(parent) && token === '-' ? String(parent.length) : token;
}

/** An own property even where the name is `__proto__`: a pointer comes from outside. */
function define(parent: Record<string, Json>, key: string, value: Json): void {
  Object.defineProperty(parent, key, { value, writable: true, enumerable: true, configurable: true });
}
