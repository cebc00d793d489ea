/** Requests between the wire and a session's metadata, where rules read and rewrite them. */
import type { HttpCluster, HttpListener } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { TraceContext } from '../../../common/telemetry/trace-context.ts';
import type { Metadata } from '../../core/session.ts';
import { type Ends, endsMetadata } from '../../sockets/addresses.ts';
import { Http, type HttpMetadata, httpOf, joinTarget, percentEncode, urlParts } from '../../sockets/http-metadata.ts';
import { hasToken, isHopByHop } from '../../sockets/http-fields.ts';
import { type Fields, fieldOf, isField, wantsTunnel } from './codec.ts';

/** A request as it came: kept beside the metadata, so that what nobody rewrites goes out as it came in. */
export interface Original extends Fields {
  readonly target: string;
  readonly path: string;
  readonly query: string | undefined;
  /** The request wants the connection for itself: Upgrade, or CONNECT. */
  readonly tunnel: boolean;
}

/** A symbol, since a weak map of many short lives costs the collector more than all the rest. JSON doesn't show it. */
const ORIGINAL = Symbol('original');

interface WithOriginal extends HttpMetadata {
  [ORIGINAL]?: Original;
}

/** What is known of a connection, for each of its requests. */
export interface ConnectionFacts {
  readonly ends: Ends;
  readonly scheme: 'http' | 'https';
  /** `TLS` and `PROXY`, where there are. */
  readonly metadata: Metadata;
  readonly forwarded: HttpListener['forwarded'];
}

/** The metadata of a request. */
export function requestMetadata(
  head: Fields & { readonly method: string; readonly target: string },
  version: string,
  facts: ConnectionFacts,
): Metadata {
  const { method, target, keys, values } = head;
  const headers: Record<string, string> = {};
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index] ?? '';
    if (Object.hasOwn(headers, key)) headers[key] = fieldOf(head, key) ?? '';
    else headers[key] = values[index] ?? '';
  }
  const url = urlParts(target, headers['host'], facts.scheme);
  if (facts.forwarded !== 'off') forward(headers, facts, url.host);
  const http: WithOriginal = new Http(method, version, url, headers);
  http[ORIGINAL] = {
    names: head.names,
    keys,
    values,
    target,
    path: url.path,
    query: url.query,
    tunnel: wantsTunnel(head),
  };
  const metadata = Object.assign(endsMetadata('TCP', facts.ends), facts.metadata);
  metadata['HTTP'] = http as unknown as Metadata;
  return metadata;
}

/** `X-Forwarded-*`: who asked, how, and for what. */
function forward(headers: Record<string, string>, { forwarded, ends, scheme }: ConnectionFacts, host: string): void {
  const before = forwarded === 'append' ? headers['x-forwarded-for'] : undefined;
  headers['x-forwarded-for'] = before === undefined ? ends.srcAddress : `${before}, ${ends.srcAddress}`;
  const keep = forwarded === 'append';
  if (!keep || headers['x-forwarded-proto'] === undefined) headers['x-forwarded-proto'] = scheme;
  if (!keep || headers['x-forwarded-host'] === undefined) headers['x-forwarded-host'] = headers['host'] ?? host;
}

/** What is sent to an HTTP endpoint. */
export interface OutgoingRequest {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  /** Names as they came where they came; hop-by-hop fields and Host are not among them. */
  readonly headers: readonly string[];
  readonly tunnel: boolean;
  /** The protocol that the tunnel is to speak. */
  readonly upgrade: string | undefined;
  readonly trailers: boolean;
  /** The length that was announced; `chunked` where there is a body of unknown length; undefined where there is none. */
  readonly body: number | 'chunked' | undefined;
}

/**
 * The request of a session: as it came, with what rules changed; or one of the cluster's making. `altered`: its body
 * won't be as it came. `trace` takes the place of what its headers say of that.
 *
 * @throws ProxyError `PROTOCOL_ERROR` where what rules, or a JSONSocket's client, wrote as method or host is none.
 */
export function outgoingRequest(
  metadata: Metadata,
  spec: HttpCluster,
  authority: string,
  altered: boolean,
  trace?: TraceContext,
): OutgoingRequest {
  const http = metadata['HTTP'];
  const original = typeof http === 'object' && http !== null ? (http as unknown as WithOriginal)[ORIGINAL] : undefined;
  const now = httpOf(metadata);
  const headers = now.headers ?? {};
  const renewed = trace?.traceparent === text(headers['traceparent']) ? undefined : trace;
  const connection = text(headers['connection']);
  const list: string[] = [];
  const add = (name: string, key: string, value: string): void => {
    if (renewed !== undefined && (key === 'traceparent' || key === 'tracestate')) return;
    if (key !== 'host' && key !== 'content-length' && !isHopByHop(key, connection)) list.push(name, value);
  };
  const seen = original?.keys ?? [];
  original?.keys.forEach((key, index) => {
    if ((headers[key] ?? null) === null) return; // a rule removed it
    const value = original.values[index] ?? '';
    const wanted = text(headers[key]) ?? value;
    const single = seen.indexOf(key) === seen.lastIndexOf(key);
    if (wanted === value || (!single && wanted === fieldOf(original, key)))
      add(original.names[index] ?? key, key, value);
    else if (seen.indexOf(key) === index) add(original.names[index] ?? key, key, wanted);
  });
  for (const key in headers) {
    const value = text(headers[key]);
    if (value !== undefined && !seen.includes(key.toLowerCase())) add(key, key.toLowerCase(), value);
  }
  if (renewed !== undefined) {
    list.push('traceparent', renewed.traceparent);
    if (renewed.tracestate !== undefined) list.push('tracestate', renewed.tracestate);
    if (renewed.baggage !== undefined && headers['baggage'] === undefined) list.push('baggage', renewed.baggage);
  }
  const method = now.method ?? spec.method;
  if (!isField(method, '')) throw unfit('an HTTP method', method);
  const host = spec.host ?? text(headers['host']) ?? authority;
  if (!isField('host', host)) throw unfit('a host', host);
  return {
    method,
    target: targetOf(original, now, spec),
    host,
    headers: list,
    tunnel: original?.tunnel ?? false,
    upgrade: original?.tunnel ? text(headers['upgrade']) : undefined,
    trailers: hasToken(text(headers['te']), 'trailers'),
    body: original === undefined ? 'chunked' : bodyOf(original, altered),
  };
}

/** As it came, whatever rules made of its fields: the body is as long as it is, unless it is changed on its way. */
function bodyOf({ keys, values }: Original, altered: boolean): OutgoingRequest['body'] {
  if (keys.includes('transfer-encoding')) return 'chunked';
  const length = Number(values[keys.indexOf('content-length')] ?? 0); // several are the same, or it was refused
  if (length === 0) return undefined;
  return altered ? 'chunked' : length;
}

function unfit(expected: string, found: string): ProxyError {
  return new ProxyError('PROTOCOL_ERROR', `expected ${expected}, found ${JSON.stringify(found.slice(0, 80))}`);
}

function targetOf(
  original: Original | undefined,
  { path, query }: ReturnType<typeof httpOf>,
  spec: HttpCluster,
): string {
  if (original && path === original.path && query === original.query) {
    // An absolute target is for proxies: the origin is sent its path (RFC 9112, section 3.2.2).
    if (original.target.startsWith('/') || original.target === '*' || path === '') return original.target;
  }
  // What a rule wrote must not break the request line.
  return joinTarget(path ?? spec.path, query).replace(/[^\x21-\x7e\x80-\xff]/gu, percentEncode);
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : undefined;
}
