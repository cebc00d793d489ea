/** Fuzz target: whatever rules, or a JSONSocket's client, wrote as `HTTP`, the request that is sent is one request. */
import fc from 'fast-check';
import { ProxyError } from '../../common/errors.ts';
import type { Metadata } from '../../dataplane/core/session.ts';
import { formatFields } from '../../dataplane/protocols/http/codec.ts';
import { outgoingRequest, requestMetadata } from '../../dataplane/protocols/http/request.ts';
import { urlParts } from '../../dataplane/sockets/http-metadata.ts';
import type { HttpCluster } from '../../gen/l7mp/config/v1/types.ts';
import { asJson, fromJson } from './inputs.ts';

/** A cluster with every default filled in. */
export const SPEC: HttpCluster = {
  port: 80,
  version: '1.1',
  method: 'POST',
  path: '/',
  max_idle_connections: 1,
  idle_timeout: 1,
  response_timeout: 0,
};

const text = fc.oneof(
  fc.constantFrom('GET', 'CONNECT', '/a?b#c', 'http://[::1]:80/x', 'a:1', '*', 'a\r\nb: c', 'ű', '\ud800', '\0', ''),
  fc.string({ unit: 'binary' }),
);
const value = fc.oneof({ weight: 5, arbitrary: text }, fc.jsonValue({ maxDepth: 1 }));
const headers = fc.dictionary(
  fc.oneof(fc.constantFrom('host', 'connection', 'te', 'content-length', 'x'), text),
  value,
);
const http = fc.record({ method: value, url: fc.record({ path: value, query: value }), headers }, { requiredKeys: [] });

/** A request that came, or none; and what `HTTP` in the metadata is then. */
export const inputs = asJson(
  fc.record({ target: fc.option(text), http: fc.oneof({ weight: 5, arbitrary: http }, fc.jsonValue()) }),
);

export function fuzz(data: Buffer): void {
  const input = fromJson(data) as { target?: unknown; http?: Metadata } | null | undefined;
  const { target, http: written } = input ?? {};
  // Others are refused before they become sessions.
  const metadata = typeof target === 'string' && /^[\x21-\x7e\x80-\xff]+$/u.test(target) ? received(target) : {};
  const before = metadata['HTTP'];
  // A rewrite changes what came; a JSONSocket's header takes its place.
  if (typeof before === 'object' && typeof written === 'object') Object.assign(before as object, written);
  else if (written !== undefined) metadata['HTTP'] = written;
  try {
    const request = outgoingRequest(metadata, SPEC, '[::1]:80', false);
    expect('the method', request.method, /^[!#$%&'*+.^_`|~\dA-Za-z-]+$/u);
    expect('the target', request.target, /^[\x21-\x7e\x80-\xff]*$/u);
    expect('the host', request.host, /^[\t\x20-\x7e\x80-\xff]*$/u);
    const lines = formatFields(request.headers).split('\r\n');
    if (lines.length - 1 > request.headers.length / 2)
      throw new Error(`expected one line for each field: ${lines.join()}`);
    if (typeof request.body === 'number' && !(request.body >= 0)) throw new Error(`a body of ${request.body} bytes`);
  } catch (error) {
    if (!(error instanceof ProxyError) || error.code !== 'PROTOCOL_ERROR') throw error;
  }
}

function received(target: string): Metadata {
  const { host, port } = urlParts(target, 'example:81', 'http');
  if (typeof host !== 'string' || (port !== undefined && !Number.isInteger(port))) throw new Error('no authority');
  const head = { method: 'GET', target, names: ['Host', 'X'], keys: ['host', 'x'], values: ['example:81', 'y'] };
  const ends = { srcAddress: '::1', srcPort: 1, dstAddress: '::1', dstPort: 2 };
  return requestMetadata(head, '1.1', { ends, scheme: 'http', metadata: {}, forwarded: 'append' });
}

function expect(what: string, found: string, form: RegExp): void {
  if (!form.test(found)) throw new Error(`${what}: expected ${form.source}, found ${JSON.stringify(found)}`);
}
