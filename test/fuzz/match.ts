/** Fuzz target: predicates over any metadata. What the decoder takes never throws, and `not` is the opposite. */
import fc from 'fast-check';
import { decodeObject, emptySnapshot } from '../../config/decode.ts';
import type { Metadata } from '../../dataplane/core/session.ts';
import { predicateOf } from '../../dataplane/pipeline/match.ts';
import type { Match } from '../../gen/l7mp/config/v1/types.ts';
import { messages } from './config-values.ts';
import { asJson, fromJson } from './inputs.ts';

const EXISTING = emptySnapshot();

const value = fc.oneof(fc.constantFrom('a', 'aaa', 'A', '127.0.0.1', 0, 5, null), fc.jsonValue({ maxDepth: 2 }));
const key = fc.oneof(fc.constantFrom('a', 'IP', '/', '__proto__'), fc.string());
const metadata = fc.dictionary(key, fc.oneof(value, fc.record({ src_addr: value, a: value })));

export const inputs = asJson(
  fc.record({ match: fc.oneof(messages('Match', 2), messages('Match', 3, 'right')), metadata }),
);

export function fuzz(data: Buffer): void {
  const input = fromJson(data) as { match: unknown; metadata: Metadata } | null | undefined;
  if (typeof input?.metadata !== 'object') return;
  const match = decoded(input.match);
  if (match === undefined) return;
  if (typeof input.match !== 'object') return; // a word stands for a predicate only where no list is
  const not = decoded({ op: 'not', path: '', apply: [input.match] });
  if (not === undefined) throw new Error('expected what stands alone to stand in "not", too');
  const before = JSON.stringify(input.metadata);
  const result = predicateOf(match)(input.metadata);
  if (predicateOf(not)(input.metadata) !== !result) throw new Error(`expected ${!result} of "not"`);
  if (JSON.stringify(input.metadata) !== before) throw new Error('expected the metadata unchanged');
}

function decoded(match: unknown): Match | undefined {
  const { value: part } = decodeObject('Rule', { name: 'r', match, action: { route: 'x' } }, EXISTING);
  return part?.objects.rules.get('r')?.value.match;
}
