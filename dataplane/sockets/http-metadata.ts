/** The metadata of a session that began with an HTTP request: HTTP itself, and WebSocket's handshake. */
import type { Json } from '../../gen/l7mp/config/v1/types.ts';
import { isJsonObject, jsonObject } from '../../common/json.ts';
import { DERIVED } from '../../common/json-pointer.ts';
import { readTraceContext, type TraceContext } from '../../common/telemetry/trace-context.ts';
import type { Metadata } from '../core/session.ts';
import { trimSpace } from './http-fields.ts';

/** `HTTP` in the metadata. */
export interface HttpMetadata {
  method: string;
  version: string;
  url: UrlParts;
  /** By lower-case name. */
  headers: Record<string, string>;
}

export interface UrlParts {
  scheme: string;
  host: string;
  port?: number;
  path: string;
  /** Without the question mark; absent where there is none. */
  query?: string;
}

/** Parts of a URL that have what its query says, where a rule asks for that. */
class Url implements UrlParts {
  readonly scheme: string;
  readonly host: string;
  readonly path: string;
  #parsed: { readonly query: string; readonly params: Record<string, Json> } | undefined;

  constructor(scheme: string, host: string, path: string) {
    this.scheme = scheme;
    this.host = host;
    this.path = path;
  }

  /** `params`: the parameters of the query as it is now, by name; of several of a name the first. */
  [DERIVED](member: string): Json | undefined {
    if (member !== 'params') return undefined;
    const { query } = this as UrlParts;
    if (typeof query !== 'string') return undefined;
    if (this.#parsed?.query !== query) {
      const params = Object.create(null) as Record<string, Json>;
      for (const [name, value] of new URLSearchParams(query)) params[name] ??= value;
      this.#parsed = { query, params };
    }
    return this.#parsed.params;
  }
}

/** `HTTP` of a request, which has what its cookies say, where a rule or a balancer asks for that. */
export class Http implements HttpMetadata {
  readonly method: string;
  readonly version: string;
  readonly url: UrlParts;
  readonly headers: Record<string, string>;

  constructor(method: string, version: string, url: UrlParts, headers: Record<string, string>) {
    this.method = method;
    this.version = version;
    this.url = url;
    this.headers = headers;
  }

  /** `cookies`: by name, as they were sent; of several of a name the first (RFC 6265, section 5.4). */
  [DERIVED](member: string): Json | undefined {
    const { cookie } = this.headers as { readonly cookie?: unknown };
    if (member !== 'cookies' || typeof cookie !== 'string') return undefined;
    const cookies = Object.create(null) as Record<string, Json>;
    for (const pair of cookie.split(';')) {
      const equals = pair.indexOf('=');
      if (equals > 0) cookies[trimSpace(pair.slice(0, equals))] ??= trimSpace(pair.slice(equals + 1));
    }
    return cookies;
  }
}

/** The parts of a request's target (RFC 9112, section 3.2), with the authority of `host` where it names none. */
export function urlParts(target: string, host: string | undefined, scheme: string): UrlParts {
  let rest = target;
  let authority = host ?? '';
  let found = scheme;
  if (!rest.startsWith('/')) {
    const absolute = /^([a-z][a-z\d+.-]*):\/\/([^/?#]*)(.*)$/iu.exec(rest);
    if (absolute) {
      found = absolute[1]?.toLowerCase() ?? scheme;
      authority = absolute[2] ?? '';
      rest = absolute[3] ?? '';
    } else if (rest !== '*') {
      authority = rest; // CONNECT
      rest = '';
    }
  }
  const colon = authority.endsWith(']') ? -1 : authority.lastIndexOf(':');
  const port = colon < 0 ? NaN : Number(authority.slice(colon + 1));
  const parts: UrlParts = new Url(found, Number.isInteger(port) ? authority.slice(0, colon) : authority, rest);
  if (Number.isInteger(port)) parts.port = port;
  const question = rest.indexOf('?');
  if (question >= 0) {
    parts.path = rest.slice(0, question);
    parts.query = rest.slice(question + 1);
  }
  return parts;
}

/**
 * The HTTP part of a session's metadata, as far as it is there: rules may have written anything. A URL that is one text
 * is the path, with its query.
 */
export function httpOf(metadata: Metadata): {
  method: string | undefined;
  path: string | undefined;
  query: string | undefined;
  headers: Record<string, Json> | undefined;
} {
  const { method, url, headers } = jsonObject(metadata['HTTP']);
  const { path, query } = typeof url === 'string' ? { path: url } : jsonObject(url);
  return {
    method: typeof method === 'string' ? method : undefined,
    path: typeof path === 'string' ? path : undefined,
    query: typeof query === 'string' ? query : undefined,
    headers: isJsonObject(headers) ? headers : undefined,
  };
}

/** The trace that a request belongs to, as rules have left its headers. */
export function traceOfRequest(metadata: Metadata): TraceContext | undefined {
  const { headers } = (metadata['HTTP'] ?? {}) as { readonly headers?: Json };
  return isJsonObject(headers) && 'traceparent' in headers ? readTraceContext(headers) : undefined;
}

/** A request's target: a path, with the slash that it begins with, and a query. */
export function joinTarget(path: string, query = ''): string {
  return `${path.startsWith('/') ? '' : '/'}${path}${query === '' ? '' : `?${query}`}`;
}

/** A character that can't stand in a request's target, as it is written there; half a surrogate pair as U+FFFD. */
export function percentEncode(character: string): string {
  return Buffer.from(character).toString('hex').toUpperCase().replace(/../gu, '%$&');
}
