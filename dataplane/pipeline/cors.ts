/** The CORS protocol of the Fetch standard (section 3.2), on the server's side: preflights are answered, and answers decorated. */
import type { Cors } from '../../gen/l7mp/config/v1/types.ts';
import type { Answer } from '../core/answer.ts';
import type { Metadata } from '../core/session.ts';
import type { HeaderList } from '../core/stream.ts';
import { httpOf } from '../sockets/http-metadata.ts';
import { changeHeaders } from './responses.ts';

const ORIGIN = 'access-control-allow-origin';
const METHODS = 'access-control-allow-methods';
const HEADERS = 'access-control-allow-headers';
const EXPOSED = 'access-control-expose-headers';
const CREDENTIALS = 'access-control-allow-credentials';
const MAX_AGE = 'access-control-max-age';

/** The page that asks, as the request says; undefined where none does. */
export function originOf(metadata: Metadata): string | undefined {
  const origin = httpOf(metadata).headers?.['origin'];
  return typeof origin === 'string' ? origin : undefined;
}

/**
 * The answer to a preflight, which `corsFields` is still to be added to; undefined where the session is none. A page that
 * isn't allowed is told nothing.
 */
export function preflightAnswer(cors: Cors, metadata: Metadata): Answer | undefined {
  const { method, headers = {} } = httpOf(metadata);
  const { 'access-control-request-method': wanted, 'access-control-request-headers': names } = headers;
  const origin = originOf(metadata);
  if (method !== 'OPTIONS' || origin === undefined || typeof wanted !== 'string') return undefined;
  const fields: string[] = [];
  if (allows(cors, origin)) {
    const methods = list(cors.allow_methods, cors, wanted);
    const allowed = list(cors.allow_headers, cors, typeof names === 'string' ? names : '');
    if (methods !== '') fields.push(METHODS, methods);
    if (allowed !== '') fields.push(HEADERS, allowed);
    fields.push(MAX_AGE, String(cors.max_age));
  }
  return { status: 204, headers: fields, body: '' };
}

/** The fields of an answer for a page, in place of those that the endpoint may have written. */
export function corsFields(cors: Cors, origin: string | undefined, headers: HeaderList): HeaderList {
  const kept = changeHeaders(headers, { set: {}, add: {}, remove: [ORIGIN, CREDENTIALS, EXPOSED] });
  const fields: string[] = isSame(cors) ? [] : ['vary', 'Origin']; // caches keep answers to different pages apart
  if (origin !== undefined && allows(cors, origin)) {
    fields.push(ORIGIN, isSame(cors) ? '*' : origin);
    if (cors.allow_credentials) fields.push(CREDENTIALS, 'true');
    const exposed = list(cors.expose_headers, cors, namesOf(kept));
    if (exposed !== '') fields.push(EXPOSED, exposed);
  }
  return [...kept, ...fields];
}

/** The fields that a page may want to read. */
function namesOf(headers: HeaderList): string {
  const names = headers.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase());
  return [...new Set(names)].filter((name) => !name.startsWith('access-control-')).join(', ');
}

/** Whether every page is told the same. */
function isSame({ allow_origins, allow_credentials }: Cors): boolean {
  return allow_origins[0] === '*' && !allow_credentials;
}

/** A list as a field has it. With credentials `*` is not understood: what was asked for stands for it. */
function list(names: readonly string[], { allow_credentials }: Cors, asked: string): string {
  return names[0] === '*' && allow_credentials ? asked : names.join(', ');
}

type Test = (origin: Parts) => boolean;

interface Parts {
  readonly scheme: string;
  readonly host: string;
  readonly port: string;
}

const compiled = new WeakMap<Cors, readonly Test[]>();

function allows(cors: Cors, origin: string): boolean {
  if (cors.allow_origins[0] === '*') return true;
  let tests = compiled.get(cors);
  if (tests === undefined) {
    tests = cors.allow_origins.map(testOf);
    compiled.set(cors, tests);
  }
  const parts = partsOf(origin);
  return parts !== undefined && tests.some((test) => test(parts));
}

/** `*` at the start of the host stands for one label or more. */
function testOf(allowed: string): Test {
  const { scheme, host, port } = partsOf(allowed) ?? { scheme: '', host: '', port: '' };
  const suffix = host.startsWith('*') ? host.slice(1) : undefined;
  return (origin) =>
    origin.scheme === scheme &&
    origin.port === port &&
    (suffix === undefined ? origin.host === host : origin.host.length > suffix.length && origin.host.endsWith(suffix));
}

const PORTS: Readonly<Record<string, string>> = { http: '80', https: '443' };

/** In lower case, with the port of the scheme where there is none. `null`, the origin of sandboxed pages, has no parts. */
function partsOf(origin: string): Parts | undefined {
  const found = /^([a-z][a-z\d+.-]*):\/\/([^/?#@]*?)(?::(\d{1,5}))?$/u.exec(origin.toLowerCase());
  const [, scheme, host, port] = found ?? [];
  if (scheme === undefined || host === undefined) return undefined;
  return { scheme, host, port: port ?? PORTS[scheme] ?? '' };
}
