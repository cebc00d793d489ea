/** Header fields between our lists and Node.js's HTTP/2 objects. */
import type { OutgoingHttpHeaders } from 'node:http2';
import type { HeaderList } from '../../core/stream.ts';
import { isHopByHop } from '../../sockets/http-fields.ts';
import { isField } from './codec.ts';

/** Fields that Node.js sends only once; it throws where there are two. The first counts. */
const SINGLE_FIELDS = new Set(
  `access-control-allow-credentials access-control-max-age access-control-request-method age authorization
  content-encoding content-language content-length content-location content-md5 content-range content-type date dnt etag
  expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location
  max-forwards proxy-authorization range referer retry-after tk upgrade-insecure-requests user-agent
  x-content-type-options`.split(/\s+/u),
);

/** What HTTP/2 has no place for, or can't stand in a message, is left out. */
export function fromList(headers: HeaderList): OutgoingHttpHeaders {
  const object = Object.create(null) as Record<string, string | string[]>;
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const key = (headers[index] ?? '').toLowerCase();
    const value = headers[index + 1] ?? '';
    if (isHopByHop(key, undefined) || !isField(key, value)) continue;
    const before = object[key];
    if (before === undefined) object[key] = value;
    else if (!SINGLE_FIELDS.has(key)) object[key] = Array.isArray(before) ? [...before, value] : [before, value];
  }
  return object;
}

/** Fields as they came, without the pseudo ones, which come first (RFC 9113, section 8.3). */
export function regular(raw: HeaderList): HeaderList {
  let from = 0;
  while (raw[from]?.startsWith(':')) from += 2;
  return raw.slice(from);
}
