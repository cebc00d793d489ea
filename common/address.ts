/**
 * Addresses in one line, in the forms that users of socat and curl write:
 *
 * ```
 *   udp-listen:5000,bind=127.0.0.1      SCHEME:REST[,OPTION=VALUE…]      as socat
 *   ws://127.0.0.1:16000/path           SCHEME://HOST:PORT[/PATH]        as curl
 *   -                                   standard input and output
 * ```
 */
import { existsSync } from 'node:fs';
import { type Plain, type Role, type SchemeRow, SCHEMES } from './address-schemes.ts';
import { ProxyError } from './errors.ts';
import { nearest } from './nearest.ts';
import { portOfService, SERVICES } from './services.ts';

export { type Plain, SCHEMES } from './address-schemes.ts';

/** A parsed address. */
export interface Address {
  readonly scheme: string;
  readonly role: Role;
  readonly protocol: string;
  /** The listener's spec. @throws ProxyError where the protocol has no listener, or the address lacks something. */
  toListener(): Plain;
  /** The cluster, with its spec and endpoints. @throws ProxyError where the address lacks something. */
  toCluster(): Plain;
}

const BY_NAME = new Map(SCHEMES.flatMap((scheme) => scheme.names.map((name) => [name, scheme] as const)));

/** Options of socat and curl by our names; dots go down into messages. */
const OPTION_NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    cert: 'tls.cert',
    key: 'tls.key',
    ca: 'tls.ca',
    cafile: 'tls.ca',
    cacert: 'tls.ca',
    alpn: 'tls.alpn',
    sni: 'tls.server_name',
    servername: 'tls.server_name',
    insecure: 'tls.insecure',
    commonname: 'tls.server_name',
    perm: 'mode',
    'perm-early': 'mode',
    mode: 'mode',
    sp: 'bind.port',
    sourceport: 'bind.port',
    nodelay: 'no_delay',
    'tcp-nodelay': 'no_delay',
  }),
);

/** Options of socat for what every listener does anyway: users of socat write them by habit. */
const GRANTED = ['fork', 'reuseaddr', 'so-reuseaddr'];
/** The same of listeners on paths of UNIX sockets. */
const GRANTED_ON_PATHS = [...GRANTED, 'unlink-early', 'unlink-close'];

/** @throws AddressError that says what was expected. */
export function parseAddress(text: string): Address {
  const { scheme, rest, url } = splitScheme(text);
  const found = BY_NAME.get(scheme);
  if (found) return makeAddress(text, scheme, found, rest, url);
  const [outer, inner] = splitOnce(scheme, '+');
  if (outer === 'jsonsocket' && inner !== undefined) return wrapJsonSocket(parseAddress(text.slice(outer.length + 1)));
  const near = nearest(scheme, [...BY_NAME.keys()]);
  if (near === undefined && /^\d+$/u.test(rest)) throw withoutScheme(text);
  const hint = near === undefined ? `one of ${SCHEMES.map(({ names }) => names[0]).join(', ')}` : `perhaps "${near}"`;
  throw invalid(text, `a scheme that is known (${hint})`, `"${scheme}"`);
}

function makeAddress(text: string, scheme: string, found: SchemeRow, rest: string, url: boolean): Address {
  const { head, options } = url || found.form === 'shell' ? { head: rest, options: {} } : splitOptions(text, rest);
  const place = readPlace(text, found, head);
  return {
    scheme,
    role: found.role,
    protocol: found.protocol,
    toListener() {
      if (found.role === 'connect') throw invalid(text, 'an address that sessions can come from', `"${scheme}"`);
      const { host, port, ...local } = place;
      const { bind, ...others } = withVerify(withoutGranted(options, found), LISTENERS_VERIFY);
      const address = bind?.replace(/^\[(.+)\]$/u, '$1') ?? host ?? found.host;
      if (found.form === 'network' && port === undefined) throw invalid(text, 'a port to listen on', 'none');
      return {
        protocol: found.protocol,
        ...structuredClone(found.spec),
        ...local,
        ...(port !== undefined && { port }),
        ...(address !== undefined && { address }),
        ...nested(text, others),
      };
    },
    toCluster() {
      if (found.role === 'listen') throw invalid(text, 'an address that can be connected to', `"${scheme}"`);
      const { host, port, ...local } = place;
      if (found.form === 'network' && (host === undefined || port === undefined)) {
        throw invalid(text, 'a host and a port to connect to', `"${text}"`);
      }
      const { bind, ...others } = withVerify(options, CLUSTERS_VERIFY);
      const spec = {
        protocol: found.protocol,
        ...structuredClone(found.spec),
        ...local,
        ...(port !== undefined && { port }),
        ...nested(text, bind === undefined ? others : { ...others, ...readBind(bind) }),
      };
      if (host !== undefined) return { spec, endpoints: [{ spec: { address: host } }] };
      if (typeof local['filename'] === 'string') {
        if (bind !== undefined) throw invalid(text, 'no bind, as the proxy has a name of its own', `"bind=${bind}"`);
        return {
          spec: { protocol: found.protocol, ...nested(text, others) },
          endpoints: [{ spec: { address: local['filename'] } }],
        };
      }
      return { spec };
    },
  };
}

/** `jsonsocket+udp://…`: the address of the transport, with the header in front. */
function wrapJsonSocket(transport: Address): Address {
  return {
    scheme: `jsonsocket+${transport.scheme}`,
    role: transport.role,
    protocol: 'JSONSocket',
    toListener: () => ({ protocol: 'JSONSocket', transport_spec: transport.toListener() }),
    toCluster: () => {
      const { spec, ...others } = transport.toCluster();
      return { spec: { protocol: 'JSONSocket', transport_spec: spec }, ...others };
    },
  };
}

interface Place extends Plain {
  host?: string;
  port?: number;
}

function readPlace(text: string, row: SchemeRow, head: string): Place {
  switch (row.form) {
    case 'network':
      return readNetwork(text, row, head);
    case 'path':
      if (head === '') throw invalid(text, 'a path', 'none');
      return { filename: head };
    case 'fifo':
      if (head === '') throw invalid(text, 'the path of a named pipe', 'none');
      return { path: head };
    case 'interface':
      if (head === '') throw invalid(text, 'the name of a network interface', 'none');
      return { interface: head };
    case 'command': {
      const [command, ...args] = splitWords(head);
      if (command === undefined) throw invalid(text, 'a program', 'none');
      return { command, args };
    }
    case 'shell':
      if (head === '') throw invalid(text, 'a shell command', 'none');
      return { command: '/bin/sh', args: ['-c', head] };
    case 'none':
      if (head !== '') throw invalid(text, 'nothing behind the scheme', `"${head}"`);
      return {};
  }
}

function readNetwork(text: string, { protocol, role, defaultPort }: SchemeRow, head: string): Place {
  const end = head.search(/[/?]/u);
  const authority = end < 0 ? head : head.slice(0, end);
  const path = end < 0 ? undefined : head.slice(end).replace(/^\?/u, '/?');
  const match = /^(?:(?:\[([^\]]+)\]|([^:]*)):)?(\d+)$/u.exec(authority) ?? undefined;
  const place: Place = {};
  if (match) {
    const host = match[1] ?? match[2];
    if (host !== undefined && host !== '' && host !== '*') place.host = host;
    place.port = Number(match[3]);
    if (place.port > 65535) throw invalid(text, 'a port from 0 to 65535', String(place.port));
  } else {
    const bare = /^\[([^\]]+)\]$/u.exec(authority)?.[1] ?? authority;
    const [, inBrackets, host = inBrackets, service] = /^(?:\[([^\]]+)\]|([^:[\]]*)):([^:]+)$/u.exec(authority) ?? [];
    if (service !== undefined) {
      if (host !== undefined && host !== '' && host !== '*') place.host = host;
      place.port = servicePort(text, protocol, service);
    } else if (bare.includes(':') && !authority.startsWith('[')) {
      throw invalid(text, bare.includes('::') ? '[IPV6]:PORT' : 'HOST:PORT', `"${authority}"`);
    } else if (bare === '') throw invalid(text, 'HOST:PORT', 'nothing');
    else if (role === 'listen' && defaultPort === undefined) place.port = servicePort(text, protocol, bare);
    else {
      place.host = bare;
      if (defaultPort !== undefined) place.port = defaultPort;
    }
  }
  if (path !== undefined && path !== '/') {
    if (protocol !== 'WebSocket' && protocol !== 'HTTP') throw invalid(text, 'no path', `"${path}"`);
    place['path'] = path;
  }
  return place;
}

/** The port of a service that is told by its name, as in `tcp:localhost:http`. */
function servicePort(text: string, protocol: string, name: string): number {
  const port = portOfService(name, protocol === 'UDP' ? 'udp' : protocol === 'SCTP' ? 'sctp' : 'tcp');
  if (port !== undefined) return port;
  const expected = existsSync(SERVICES)
    ? `a port: a number, or the name of a service in ${SERVICES}`
    : `a port as a number, as there is no ${SERVICES}`;
  throw invalid(text, expected, `"${name}"`);
}

function splitScheme(text: string): { scheme: string; rest: string; url: boolean } {
  const trimmed = text.trim();
  if (trimmed === '-') return { scheme: '-', rest: '', url: false };
  // A path alone is a socket or a named pipe's: users of curl and nc write it so.
  if (trimmed.startsWith('/') || trimmed.startsWith('./')) return { scheme: 'unix', rest: trimmed, url: false };
  const match = /^([A-Za-z0-9+-]+)(:\/\/|:|,|$)/u.exec(trimmed);
  if (!match?.[1] && /^(\[.*\]|[^:/]+):\d+$/u.test(trimmed)) throw withoutScheme(text);
  if (!match?.[1]) throw invalid(text, 'an address, as in tcp://127.0.0.1:80 or udp-listen:5000', `"${text}"`);
  const separator = match[2] ?? '';
  const scheme = match[1].toLowerCase();
  const rest = trimmed.slice(match[1].length + (separator === ',' ? 0 : separator.length));
  return { scheme, rest, url: separator === '://' && !hasOptions(rest) };
}

/** Whether options stand behind a URL. A comma of its query is its own, unless all behind it are options that are known. */
function hasOptions(rest: string): boolean {
  const [place, query] = splitOnce(rest, '?');
  if (place.includes(',') || query === undefined) return place.includes(',');
  const parts = splitCommas(query).slice(1);
  return parts.length > 0 && parts.every((part) => isOption(splitOnce(part, '=')[0].toLowerCase()));
}

function isOption(name: string): boolean {
  return OPTION_NAMES.has(name) || name === 'bind' || name === 'verify' || /^[a-z_]+\.[\w.-]+$/u.test(name);
}

function splitOptions(text: string, rest: string): { head: string; options: Record<string, string> } {
  const [head = '', ...pairs] = splitCommas(rest);
  const options: Record<string, string> = {};
  for (const pair of pairs) {
    const [name, value] = splitOnce(pair, '=');
    const key = name.replace(/^[^.]*/u, (word) => word.toLowerCase()); // what follows may be any name, of a variable
    if (!/^[\w-]+(?:\.[\w-]+)*$/u.test(key) || key.includes('__proto__')) {
      throw invalid(text, 'options as in bind=127.0.0.1, or tls.ca=FILE', `"${pair}"`);
    }
    options[OPTION_NAMES.get(key) ?? key] = value ?? 'true';
  }
  return { head, options };
}

/** Splits at commas that are neither quoted nor escaped. */
function splitCommas(text: string): string[] {
  const parts: string[] = [];
  let part = '';
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '\\' && text.charAt(at + 1) === ',') {
      part += ',';
      at++;
    } else if (quote === '' && character === ',') {
      parts.push(part);
      part = '';
    } else {
      if (quote === character) quote = '';
      else if (quote === '' && (character === '"' || character === "'")) quote = character;
      part += character;
    }
  }
  return [...parts, part];
}

/** Words as a shell splits them, with quotes and backslashes; nothing is expanded. */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  const pattern = /\s*((?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+)/gsu;
  for (const [, word = ''] of text.matchAll(pattern)) {
    words.push(
      word.replace(/'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)/gsu, (_, single?: string, double?: string, one?: string) => {
        return single ?? double?.replace(/\\(["\\$`])/gu, '$1') ?? one ?? '';
      }),
    );
  }
  return words;
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

/** `{ 'tls.cert': 'x' }` as `{ tls: { cert: 'x' } }`. */
function nested(text: string, options: Record<string, string>): Plain {
  const out: Plain = {};
  for (const [name, value] of Object.entries(options)) {
    const keys = name.split('.');
    const last = keys.pop() ?? '';
    let at = out;
    for (const key of keys) {
      const inner = Object.hasOwn(at, key) ? at[key] : (at[key] = {});
      if (typeof inner !== 'object') throw invalid(text, `"${key}" with a value, or with parts`, `both: "${name}"`);
      at = inner as Plain;
    }
    if (Object.hasOwn(at, last)) throw invalid(text, `"${name}" with a value, or with parts`, 'both');
    at[last] = value;
  }
  return out;
}

function withoutGranted(options: Record<string, string>, { form }: SchemeRow): Record<string, string> {
  const granted = form === 'path' ? GRANTED_ON_PATHS : GRANTED;
  return Object.fromEntries(
    Object.entries(options).filter(([name, value]) => !(granted.includes(name) && ['true', '1'].includes(value))),
  );
}

/** The field that `verify` is, and its values for no and yes. */
interface Verify {
  readonly field: string;
  readonly no: string;
  readonly yes: string;
}

/** As in socat: a server asks clients for their certificates, a client checks the server's. */
const LISTENERS_VERIFY: Verify = { field: 'tls.client_certificate', no: 'none', yes: 'require' };
const CLUSTERS_VERIFY: Verify = { field: 'tls.insecure', no: 'true', yes: 'false' };

function withVerify({ verify, ...others }: Record<string, string>, { field, no, yes }: Verify): Record<string, string> {
  return verify === undefined ? others : { ...others, [field]: verify === '0' ? no : yes };
}

/** `bind=ADDRESS`, or with the port to connect from behind it, as in socat. */
function readBind(bind: string): Record<string, string> {
  const [, inBrackets, host, port] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/u.exec(bind) ?? [];
  const address = inBrackets ?? host ?? bind;
  return { ...(address !== '' && { 'bind.address': address }), ...(port !== undefined && { 'bind.port': port }) };
}

/** `localhost:80`: it could be anything. */
function withoutScheme(text: string): AddressError {
  return invalid(text, `a scheme in front, as in tcp:${text.trim()}`, 'none');
}

/** What is wrong with an address. */
export class AddressError extends ProxyError {
  readonly expected: string;
  readonly found: string;

  constructor(text: string, expected: string, found: string) {
    super('INVALID_CONFIG', `address "${text}": expected ${expected}, found ${found}`);
    this.expected = expected;
    this.found = found;
  }
}

function invalid(text: string, expected: string, found: string): AddressError {
  return new AddressError(text, expected, found);
}
