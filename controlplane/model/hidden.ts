/** Secrets are never shown: a digest stands in their place, and is taken for what it stands for when it comes back. */
import { createHash } from 'node:crypto';
import type { Json } from '../../gen/l7mp/config/v1/types.ts';
import type { Fault } from '../../gen/messages.ts';
import type { ObjectContent } from './object.ts';
import { isSecret } from './resource-types.ts';

const DIGEST = /^sha256:[0-9a-f]{64}$/u;
const DIGEST_BYTES = 'sha256:'.length + 64;
/** In what is no secret as a whole, this begins a key. */
export const KEY_MARK = 'PRIVATE KEY-----';

/**
 * What readers get: digests in the place of secrets, of private keys in what else there is, and of raw resources that have
 * one anywhere, since what their bytes mean is not known here.
 */
export function hideSecrets<T extends ObjectContent>(object: T): T {
  const { spec, raw, key } = object;
  if (raw !== undefined) {
    const hidden = isSecret(key.kind) || raw.includes(KEY_MARK);
    return hidden ? { ...object, raw: Buffer.from(digestOf(raw)) } : object;
  }
  if (spec === undefined) return object;
  const all = isSecret(key.kind);
  const hide = (text: string): string => (all || text.includes(KEY_MARK) ? digestOf(text) : text);
  return { ...object, spec: mapStrings(spec, hide) as Record<string, Json> };
}

/** Puts back what `hideSecrets` hid of what there is; a digest of something else is a fault. */
export function restoreSecrets(object: ObjectContent, current: ObjectContent | undefined): [ObjectContent, Fault[]] {
  const { spec, raw } = object;
  const hidden = new Map<string, string>();
  const faults: Fault[] = [];
  if (raw !== undefined) {
    // Of any kind: bytes that are a digest are no message.
    const text = raw.length === DIGEST_BYTES ? raw.toString('latin1') : '';
    if (!DIGEST.test(text)) return [object, []];
    if (current?.raw !== undefined && digestOf(current.raw) === text) return [{ ...object, raw: current.raw }, []];
    return [object, [{ path: 'raw', expected: 'a secret, or the digest of the present one', found: text }]];
  }
  if (spec === undefined) return [object, []];
  const restore = (text: string): string => {
    if (!DIGEST.test(text)) return text;
    if (hidden.size === 0) mapStrings(current?.spec ?? {}, (known) => (hidden.set(digestOf(known), known), known));
    const known = hidden.get(text);
    if (known === undefined) {
      faults.push({ path: '', expected: 'a secret, or the digest of the present one', found: text });
    }
    return known ?? text;
  };
  return [{ ...object, spec: mapStrings(spec, restore) as Record<string, Json> }, faults];
}

/** Whether a digest stands in it for what it hid. */
export function isHidden({ spec = {} }: ObjectContent): boolean {
  let found = false;
  mapStrings(spec, (text) => ((found ||= DIGEST.test(text)), text));
  return found;
}

function digestOf(secret: string | Buffer): string {
  return `sha256:${createHash('sha256').update(secret).digest('hex')}`;
}

function mapStrings(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapStrings(item, change)]));
}
