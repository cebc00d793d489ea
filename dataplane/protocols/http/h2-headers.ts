/** Header fields between our lists and Node.js's HTTP/2 objects. */
import type { OutgoingHttpHeaders } from 'node:http2';
import type { HeaderList } from '../../core/stream.ts';

/** Fields of one connection only, which HTTP/2 doesn't have (RFC 9113, section 8.2.2). */
const CONNECTION_FIELDS = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);

export function fromList(headers: HeaderList): OutgoingHttpHeaders {
  const object: Record<string, string | string[]> = {};
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const key = (headers[index] ?? '').toLowerCase();
    const value = headers[index + 1] ?? '';
    if (CONNECTION_FIELDS.has(key) || key.startsWith(':')) continue;
    const before = object[key];
    if (before === undefined) object[key] = value;
    else object[key] = Array.isArray(before) ? [...before, value] : [before, value];
  }
  return object;
}

export function toList(headers: Readonly<Record<string, string | string[] | number | undefined>>): string[] {
  return Object.entries(headers).flatMap(([name, value]) => {
    if (value === undefined || name.startsWith(':')) return [];
    return Array.isArray(value) ? value.flatMap((each) => [name, each]) : [name, String(value)];
  });
}
