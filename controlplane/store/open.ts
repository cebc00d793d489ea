/**
 * Opens the store that a URL names: `embedded:DIRECTORY` or `etcd://HOST:PORT,…/PREFIX?…` or
 * `kubernetes:NAMESPACE/NAME` (docs/stores.md).
 */
import { readFileSync } from 'node:fs';
import type { Logger } from '../../common/log.ts';
import type { Store } from '../core/store.ts';
import type { KubernetesAccess } from './kubernetes/api.ts';

const EMBEDDED_OPTIONS = ['history', 'history-age', 'quota'] as const;
const ETCD_OPTIONS = ['ca', 'cert', 'key', 'password-file', 'tls', 'user'] as const;

/** The prefix of keys in etcd where the URL names none. */
const DEFAULT_ROOT = '/l7mp';

/** The name of a store in Kubernetes where the URL has none, and how long one may be: names of objects begin with it. */
const DEFAULT_NAME = 'l7mp';
const MAX_NAME = 30;
/** RFC 1123, as of namespaces. */
const LABEL = /^[a-z\d]([-a-z\d]*[a-z\d])?$/u;

type Options<Name extends string> = Partial<Record<Name, string>>;

/**
 * @throws RangeError with all faults of the URL, one to a line.
 * @param accessKubernetes called where the store is in Kubernetes: what it throws is thrown.
 * @throws StoreError where it can't be opened: `LOCKED`, `CORRUPT`, `FULL`, `UNAVAILABLE`.
 */
export async function openStore(
  url: string,
  log: Logger,
  accessKubernetes: () => Promise<KubernetesAccess>,
): Promise<Store> {
  const [, scheme = '', rest = '', query = ''] = /^([a-z]+):([^?]*)(?:\?(.*))?$/su.exec(url) ?? [];
  const faults: string[] = [];
  if (scheme === 'embedded') return await openEmbeddedAt(rest, optionsOf(query, EMBEDDED_OPTIONS, faults), faults, log);
  if (scheme === 'etcd') return await openEtcdAt(rest, optionsOf(query, ETCD_OPTIONS, faults), faults, log);
  if (scheme === 'kubernetes') {
    optionsOf(query, [], faults);
    return await openKubernetesAt(rest, faults, log, accessKubernetes);
  }
  const expected = 'embedded:DIRECTORY, etcd://HOST:PORT,…/PREFIX or kubernetes:NAMESPACE/NAME';
  throw new RangeError(`store ${url}: expected ${expected}`);
}

async function openKubernetesAt(
  rest: string,
  faults: string[],
  log: Logger,
  access: () => Promise<KubernetesAccess>,
): Promise<Store> {
  const slash = rest.indexOf('/');
  const [namespace, name] = slash < 0 ? [rest, DEFAULT_NAME] : [rest.slice(0, slash), rest.slice(slash + 1)];
  const check = (what: string, text: string, longest: number): void => {
    if (LABEL.test(text) && text.length <= longest) return;
    const expected = `expected at most ${longest} of a-z, 0-9 and -, with no - first or last`;
    faults.push(`${what}: ${expected}, found "${text}"`);
  };
  check('the namespace', namespace, 63);
  check('the name', name, MAX_NAME);
  failWith(faults, 'kubernetes');
  const { openKubernetesStore } = await import('./kubernetes/store.ts');
  return await openKubernetesStore(await access(), { namespace, name }, log);
}

async function openEmbeddedAt(
  directory: string,
  options: Options<(typeof EMBEDDED_OPTIONS)[number]>,
  faults: string[],
  log: Logger,
): Promise<Store> {
  // Loaded when it is used: each of the stores needs what the other does not.
  const { EMBEDDED_DEFAULTS, openEmbedded } = await import('./embedded/store.ts');
  const { history, ...defaults } = EMBEDDED_DEFAULTS;
  const number = (name: 'history' | 'history-age' | 'quota', fallback: number): number => {
    const text = options[name];
    if (text === undefined) return fallback;
    if (!/^[1-9]\d{0,14}$/u.test(text)) faults.push(`${name}: expected a whole number above 0, found "${text}"`);
    return Number(text);
  };
  const changes = number('history', history.changes);
  const ageMs = number('history-age', history.ageMs / 1000) * 1000;
  const quotaBytes = number('quota', defaults.quotaBytes);
  if (directory === '') faults.push('expected a directory, found none');
  failWith(faults, 'embedded');
  return await openEmbedded(directory, log, { ...defaults, quotaBytes, history: { ...history, changes, ageMs } });
}

async function openEtcdAt(
  rest: string,
  options: Options<(typeof ETCD_OPTIONS)[number]>,
  faults: string[],
  log: Logger,
): Promise<Store> {
  const { openEtcd } = await import('./etcd/store.ts');
  const { credentials } = await import('@grpc/grpc-js');
  const [, hosts = '', path = ''] = /^\/\/([^/]*)(.*)$/su.exec(rest) ?? [];
  const endpoints = hosts.split(',');
  for (const endpoint of endpoints) {
    if (!isEndpoint(endpoint)) faults.push(`expected endpoints as HOST:PORT, found "${endpoint}"`);
  }
  const { tls, ca, cert, key, user, 'password-file': passwordFile } = options;
  const file = (name: string, of: string | undefined): Buffer | null => {
    if (of === undefined) return null;
    try {
      return readFileSync(of);
    } catch (error) {
      faults.push(`${name}: ${(error as Error).message}`);
      return null;
    }
  };
  if (tls !== undefined && tls !== 'true' && tls !== 'false') {
    faults.push(`tls: expected true or false, found "${tls}"`);
  }
  if ((cert === undefined) !== (key === undefined)) faults.push('expected cert and key together, found one of them');
  if ((user === undefined) !== (passwordFile === undefined)) {
    faults.push('expected user and password-file together, found one of them');
  }
  const isSecure = tls === 'true' || ca !== undefined || cert !== undefined;
  if (isSecure && tls === 'false') faults.push('tls: expected true where there is ca or cert, found false');
  const files = [file('ca', ca), file('key', key), file('cert', cert)] as const;
  const password = file('password-file', passwordFile)?.toString().trimEnd();
  failWith(faults, 'etcd');
  const secure = (): ReturnType<typeof credentials.createSsl> => {
    try {
      return credentials.createSsl(...files);
    } catch (error) {
      throw new RangeError(`store etcd: ca, cert or key: ${(error as Error).message}`, { cause: error });
    }
  };
  return await openEtcd(
    {
      endpoints,
      credentials: isSecure ? secure() : credentials.createInsecure(),
      root: path.replace(/\/+$/u, '') || DEFAULT_ROOT,
      ...(user !== undefined && password !== undefined && { user: { name: user, password } }),
    },
    log,
  );
}

function isEndpoint(text: string): boolean {
  const port = Number(/^(?:[\w.-]+|\[[\da-f:.]+\]):(\d{1,5})$/iu.exec(text)?.[1]);
  return port > 0 && port < 65_536;
}

function optionsOf<Name extends string>(query: string, names: readonly Name[], faults: string[]): Options<Name> {
  const options: Options<Name> = {};
  for (const [name, value] of new URLSearchParams(query)) {
    const known = names.find((each) => each === name);
    if (known === undefined)
      faults.push(`${name}: expected ${names.length === 0 ? 'no options' : `one of ${names.join(', ')}`}`);
    else if (options[known] !== undefined) faults.push(`${name}: expected once, found twice`);
    else options[known] = value;
  }
  return options;
}

function failWith(faults: readonly string[], scheme: string): void {
  if (faults.length > 0) throw new RangeError(faults.map((fault) => `store ${scheme}: ${fault}`).join('\n'));
}
