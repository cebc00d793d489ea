/** Fuzz target: JSON pointers over any JSON. What is set is found again, and nothing beside the tree changes. */
import fc from 'fast-check';
import { getAt, parsePointer, setAt } from '../../common/json-pointer.ts';
import type { Json } from '../../gen/l7mp/config/v1/types.ts';
import { asJson, fromJson } from './inputs.ts';

const token = fc.oneof(fc.constantFrom('a', 'b', '0', '-', '~0', '~1', '~', '__proto__', 'length', ''), fc.string());
const pointer = fc.array(token, { maxLength: 4 }).map((tokens) => tokens.map((each) => `/${each}`).join(''));
const key = fc.oneof(fc.constantFrom('a', 'b', '0', ''), fc.string());

export const inputs = asJson(
  fc.record({ pointer, root: fc.dictionary(key, fc.jsonValue({ maxDepth: 3 })), value: fc.jsonValue({ maxDepth: 1 }) }),
);

export function fuzz(data: Buffer): void {
  const input = fromJson(data) as { pointer: string; root: Json; value: Json } | null | undefined;
  if (typeof input?.pointer !== 'string') return;
  const { root, value } = input;
  let tokens: readonly string[];
  try {
    tokens = parsePointer(input.pointer);
  } catch (error) {
    if (error instanceof SyntaxError) return;
    throw error;
  }
  getAt(root, tokens);
  setAt(root, tokens, value);
  // `-` is the place behind the last element; other words are no places in a list.
  const found = getAt(root, tokens);
  const inTree = tokens.length > 0 && typeof root === 'object' && root !== null && !tokens.includes('-');
  if (inTree && found !== value) throw new Error(`expected ${JSON.stringify(value)}, found ${JSON.stringify(found)}`);
  setAt(root, tokens, undefined);
  if (Object.hasOwn(Object.prototype, 'a') || Object.keys(Object.prototype).length > 0)
    throw new Error('a prototype changed');
}
