/** Fuzz target: templates and metadata of the access log. A session is one line, whatever a peer wrote. */
import fc from 'fast-check';
import type { Metadata } from '../../dataplane/core/session.ts';
import { FIELDS, formatter } from '../../dataplane/telemetry/access-log.ts';
import { fakeSession } from '../support/admin.ts';
import { asJson, fromJson } from './inputs.ts';

const command = fc.constantFrom(
  ...Object.keys(FIELDS).map((name) => `%${name.toUpperCase()}%`),
  '%{/a/b}%',
  '%{/IP}%',
  '%{',
  '}%',
  '%{~}%',
);
const format = fc.oneof(
  fc.constantFrom('json', 'text'),
  fc.array(fc.oneof(command, fc.stringMatching(/^[^\n]*$/u)), { maxLength: 6 }).map((parts) => parts.join('')),
);
const text = fc.oneof(fc.constantFrom('\n', '"', '\u2028', '\x1b[0m', '\ud800'), fc.string({ unit: 'binary' }));
const metadata = fc.record({ IP: fc.record({ src_addr: text }), a: fc.oneof(text, fc.record({ b: fc.jsonValue() })) });

export const inputs = asJson(fc.record({ format, name: text, metadata }));

export function fuzz(data: Buffer): void {
  const input = fromJson(data) as { format: string; name: string; metadata: Metadata } | null | undefined;
  if (typeof input?.format !== 'string') return;
  const { name } = input;
  const line = formatter(input.format)(fakeSession({ name, metadata: input.metadata }));
  if (input.format !== 'json' && /[\p{Cc}\u2028\u2029]/u.test(input.format)) return; // the template's own
  if (/[\p{Cc}\u2028\u2029]/u.test(line)) throw new Error(`expected one plain line, found ${JSON.stringify(line)}`);
  if (input.format !== 'json') return;
  const read = JSON.parse(line) as { session: string };
  if (read.session !== name) throw new Error(`expected session ${name}, found ${read.session}`);
}
