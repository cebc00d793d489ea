/** What no schema says of a tap. */
import type { Plain } from '../common/address.ts';
import { parsePointer } from '../common/json-pointer.ts';
import type { Decoder } from './decoder.ts';
import { checkMatch } from './meaning.ts';
import { isPlain } from './scalars.ts';
import { missing } from './wanted.ts';

/** What is redacted in payloads: all of them, or a part of those that are JSON. */
export const PAYLOAD = 'payload';

/** Adds its faults to the decoder's. */
export function checkTap(decoder: Decoder, { listener, session, match, redact }: Plain): void {
  if (listener === undefined && session === undefined) {
    missing(decoder, 'listener', 'the name of a listener, or session: the name of a session');
  } else if (listener !== undefined && session !== undefined) {
    decoder.tell('session', 'only one of listener and session', 'both');
  }
  if (isPlain(match)) checkMatch(decoder, match, 'match');
  const items: readonly unknown[] = Array.isArray(redact) ? redact : [];
  items.forEach((item, index) => checkRedaction(decoder, item, `redact[${index}]`));
}

function checkRedaction(decoder: Decoder, item: unknown, path: string): void {
  const text = typeof item === 'string' ? item : '';
  const pointer = text.startsWith(`${PAYLOAD}:`) ? text.slice(PAYLOAD.length + 1) : text;
  try {
    if (pointer.startsWith('/')) parsePointer(pointer);
    // A name of a field (RFC 9110, section 5.1).
    else if (pointer !== text || !/^[\w!#$%&'*+.^`|~-]+$/u.test(text)) throw new SyntaxError();
  } catch {
    decoder.fault(path, 'the name of a header field, a JSON pointer, payload, or payload:/POINTER', item);
  }
}
