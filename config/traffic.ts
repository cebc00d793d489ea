/** What no schema says of actions and of what routes do with answers: header fields, statuses, origins, and what excludes what. */
import type { Plain } from '../common/address.ts';
import type { Decoder } from './decoder.ts';
import { isPlain } from './scalars.ts';
import { exclusive, listOf, missing } from './wanted.ts';

/** Adds its faults to the decoder's. */
export function checkAction(decoder: Decoder, action: Plain, path: string): void {
  const ends = exclusive(decoder, action, path, ['route', 'respond', 'redirect']);
  if (ends === 0 && action['apply'] === undefined) {
    missing(decoder, path, 'a route, a response, a redirect, or another rule list to apply', 'none of them');
  }
  checkRewrites(decoder, action['rewrite'], path);
  const { respond, redirect } = action;
  if (isPlain(respond)) checkRespond(decoder, respond, `${path}.respond`);
  if (isPlain(redirect)) checkRedirect(decoder, redirect, `${path}.redirect`);
}

/** The same of a route's parts that concern what passes on it. */
export function checkTraffic(decoder: Decoder, route: Plain, path: string): void {
  const { destinations, response_headers: headers, cors, retry, persistence } = route;
  listOf(destinations).forEach((destination, index) => {
    checkDestination(decoder, destination, `${path}.destinations[${index}]`);
  });
  if (isPlain(headers)) checkHeaderChanges(decoder, headers, `${path}.response_headers`);
  if (isPlain(cors)) checkCors(decoder, cors, `${path}.cors`);
  if (isPlain(persistence)) checkPersistence(decoder, persistence, `${path}.persistence`);
  const statuses: unknown = isPlain(retry) ? retry['statuses'] : undefined;
  if (Array.isArray(statuses)) {
    statuses.forEach((status: unknown, index) => {
      if (typeof status === 'number' && (status < 200 || status > 599))
        decoder.fault(`${path}.retry.statuses[${index}]`, 'a status from 200 to 599', status);
    });
  }
}

/** Where a cluster checks the names of its servers' certificates, however deep its transport is. */
export function checkSubjectAltNames(decoder: Decoder, spec: Plain, path: string): void {
  const { transport_spec: transport, tls } = spec;
  if (isPlain(transport)) checkSubjectAltNames(decoder, transport, `${path}.transport_spec`);
  if (!isPlain(tls)) return;
  const names = listOf(tls['san']);
  names.forEach((name, index) => {
    const at = `${path}.tls.san[${index}]`;
    if (exclusive(decoder, name, at, ['dns', 'uri']) === 0) missing(decoder, at, 'dns or uri', 'neither');
  });
  if (names.length > 0 && tls['insecure'] === true) {
    decoder.tell(`${path}.tls.san`, 'none, as insecure takes any certificate', 'some');
  }
}

function checkDestination(decoder: Decoder, destination: Plain, path: string): void {
  const { rewrite, respond, response_headers: headers } = destination;
  if (exclusive(decoder, destination, path, ['cluster', 'respond']) === 0) {
    missing(decoder, path, 'the name of a cluster, a cluster itself, or a response', 'neither');
  }
  checkRewrites(decoder, rewrite, path);
  if (isPlain(respond)) checkRespond(decoder, respond, `${path}.respond`);
  if (isPlain(headers)) checkHeaderChanges(decoder, headers, `${path}.response_headers`);
}

function checkRewrites(decoder: Decoder, rewrites: unknown, path: string): void {
  listOf(rewrites).forEach((rewrite, index) => {
    exclusive(decoder, rewrite, `${path}.rewrite[${index}]`, ['value', 'append', 'prefix']);
  });
}

function checkRespond(decoder: Decoder, { headers }: Plain, path: string): void {
  checkFields(decoder, headers, `${path}.headers`);
}

const REDIRECTS: ReadonlySet<unknown> = new Set([301, 302, 303, 307, 308]);

function checkRedirect(decoder: Decoder, redirect: Plain, path: string): void {
  exclusive(decoder, redirect, path, ['path', 'prefix']);
  const { status } = redirect;
  if (typeof status === 'number' && !REDIRECTS.has(status)) {
    decoder.fault(`${path}.status`, 'one of 301, 302, 303, 307, 308', status);
  }
}

function checkHeaderChanges(decoder: Decoder, { set, add, remove }: Plain, path: string): void {
  checkFields(decoder, set, `${path}.set`);
  checkFields(decoder, add, `${path}.add`);
  checkNames(decoder, remove, `${path}.remove`);
}

/** The name of a header field (RFC 9110, section 5.1), and of a method. */
const TOKEN = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/u;

/** Its value (section 5.5): no control characters but the tab. */
const VALUE = /^[\t\x20-\x7e\x80-\u{10ffff}]*$/u;

function checkFields(decoder: Decoder, fields: unknown, path: string): void {
  if (!isPlain(fields)) return;
  for (const [name, value] of Object.entries(fields)) {
    if (!TOKEN.test(name)) decoder.fault(`${path}.${name}`, 'the name of a header field', name);
    if (typeof value === 'string' && !VALUE.test(value)) {
      decoder.fault(`${path}.${name}`, 'a value without line ends and control characters', value);
    }
  }
}

function checkNames(decoder: Decoder, names: unknown, path: string, expected = 'the name of a header field'): void {
  if (!Array.isArray(names)) return;
  names.forEach((name: unknown, index) => {
    if (typeof name === 'string' && !TOKEN.test(name)) decoder.fault(`${path}[${index}]`, expected, name);
  });
}

/** A cookie's path (RFC 6265, section 4.1.1), which clients compare with those of requests. */
const COOKIE_PATH = /^\/[\x20-\x3a\x3c-\x7e]*$/u;

/** The fewest characters that are hard to guess. */
const MIN_KEY = 16;

/** A route's, or a cluster's. */
export function checkPersistence(decoder: Decoder, persistence: Plain, path: string): void {
  const { type, name, lifetime, absolute_timeout: age, path: below, key } = persistence;
  if (typeof name === 'string' && !TOKEN.test(name)) {
    decoder.fault(`${path}.name`, 'the name of a cookie or a header field', name);
  }
  if (lifetime === 'permanent') {
    if (type === 'header') decoder.tell(`${path}.lifetime`, '"session", as a header field is no cookie', '"permanent"');
    else if (age === 0) decoder.tell(`${path}.absolute_timeout`, 'how long the cookie stays, as it is permanent', '0');
  }
  if (typeof below === 'string' && !COOKIE_PATH.test(below)) {
    decoder.fault(`${path}.path`, 'a path that begins with "/", without ";"', below);
  }
  if (typeof key === 'string' && key.length < MIN_KEY) {
    decoder.tell(`${path}.key`, `at least ${MIN_KEY} characters`, String(key.length));
  }
}

/** `https://*.example.org:8443`: a scheme, and a host whose first labels any may stand for (`*`). */
const HOST = String.raw`(?:\*|(?:\*\.)?[a-z\d_-]+(?:\.[a-z\d_-]+)*|\[[\da-f:.]+\])`;
const ORIGIN = new RegExp(String.raw`^(?:\*|[a-z][a-z\d+.-]*://${HOST}(?::\d{1,5})?)$`, 'iu');

function checkCors(decoder: Decoder, cors: Plain, path: string): void {
  const { allow_origins: origins } = cors;
  if (Array.isArray(origins)) {
    origins.forEach((origin: unknown, index) => {
      if (typeof origin === 'string' && !ORIGIN.test(origin)) {
        decoder.fault(`${path}.allow_origins[${index}]`, 'an origin, as in https://*.example.org:8443, or *', origin);
      }
    });
  }
  checkNames(decoder, cors['allow_methods'], `${path}.allow_methods`, 'a method');
  for (const field of ['allow_headers', 'expose_headers']) checkNames(decoder, cors[field], `${path}.${field}`);
  for (const field of ['allow_origins', 'allow_methods', 'allow_headers', 'expose_headers']) {
    const list = cors[field];
    if (Array.isArray(list) && list.length > 1 && list.includes('*')) {
      decoder.tell(`${path}.${field}`, '"*" alone, or names', '"*" beside others');
    }
  }
}
