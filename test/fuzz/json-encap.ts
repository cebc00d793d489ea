/** Fuzz target: what JSONEncap wraps, JSONDecap unwraps, whatever the metadata. */
import { decode } from '../../dataplane/protocols/json-decap/codec.ts';
import { createEncoder } from '../../dataplane/protocols/json-encap/codec.ts';
import { mutations, texts } from './inputs.ts';

export const inputs = mutations(texts('hello', '{"payload":"eA=="}', '\0\xff"\\'), ['"', '\\', '\0', '\xff', '{', '}']);

export function fuzz(data: Buffer): void {
  const object = createEncoder({ text: data.toString(), payload: data.toString('latin1') })(data);
  const payload = decode(object);
  if (!payload?.equals(data)) throw new Error(`expected ${data.toString('hex')}, found ${payload?.toString('hex')}`);
  decode(data);
}
