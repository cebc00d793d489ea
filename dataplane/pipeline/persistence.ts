/** Session persistence: tokens, in cookies or header fields, that lead a client back to the endpoint that it had. */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import type { Persistence, Route } from '../../gen/l7mp/config/v1/types.ts';
import { getAt } from '../../common/json-pointer.ts';
import type { ClusterHandle } from '../core/cluster.ts';
import type { Metadata } from '../core/session.ts';
import type { HeaderList } from '../core/stream.ts';

/** The clusters of now, by name. */
export interface Clusters {
  cluster(name: string): ClusterHandle | undefined;
}

/** What a token leads to. */
export interface TokenPlace {
  readonly cluster: string;
  /** See `Candidate.hashKey`. */
  readonly endpoint: string;
}

/** A client as it comes: where its token leads, if it has one, and what it is told with its answer. */
export interface Visit {
  /** The endpoint to go to in this cluster; undefined: it has no token for one. */
  in(cluster: string): string | undefined;
  /** The field that hands out a token for where it went, as name and value; empty where it has that already. */
  fields(place: TokenPlace): HeaderList;
}

const ALGORITHM = 'aes-256-gcm';
const [NONCE_BYTES, TAG_BYTES, TIME_BYTES, CLUSTER_BYTES] = [12, 16, 4, 8];
/** Nobody else's text is decoded beyond this: addresses and paths are shorter. */
const MAX_TOKEN = 1024;

/** What stands for a key where the configuration has none. */
const OWN_KEY = randomBytes(32).toString('hex');

interface Sealed {
  readonly cluster: string;
  readonly endpoint: string;
}

/** The tokens of one route. */
class Tokens {
  readonly config: Persistence;
  readonly name: string;
  private readonly path: readonly string[];
  private readonly key: Buffer;

  constructor(config: Persistence, route: string, isShared: boolean) {
    const { name, type, key } = config;
    const ofRoute = createHash('sha256').update(route).digest('hex').slice(0, 8);
    this.config = config;
    this.name = name === undefined || isShared ? `${name ?? 'l7mp'}-${ofRoute}` : name;
    this.path = type === 'cookie' ? ['HTTP', 'cookies', this.name] : ['HTTP', 'headers', this.name.toLowerCase()];
    // Without a key of its own, no other route's tokens are its own either.
    const [secret, salt] = key === undefined ? [OWN_KEY, route] : [key, ''];
    this.key = Buffer.from(hkdfSync('sha256', secret, salt, 'l7mp session persistence', 32));
  }

  visit(metadata: Metadata, now: number): Visit {
    const text = getAt(metadata, this.path);
    const known = typeof text === 'string' ? this.open(text, now) : undefined;
    return {
      in: (cluster) => (known?.cluster === idOf(cluster) ? known.endpoint : undefined),
      fields: ({ cluster, endpoint }) =>
        known?.cluster === idOf(cluster) && known.endpoint === endpoint
          ? []
          : this.fields(this.seal({ cluster: idOf(cluster), endpoint }, now), metadata),
    };
  }

  private fields(token: string, metadata: Metadata): HeaderList {
    const { type, lifetime, absolute_timeout: age, path, same_site: site } = this.config;
    if (type === 'header') return [this.name, token];
    const isSecure = 'TLS' in metadata || getAt(metadata, ['HTTP', 'url', 'scheme']) === 'https';
    const attributes = [
      `${this.name}=${token}`,
      `Path=${path}`,
      ...(lifetime === 'permanent' ? [`Max-Age=${age}`] : []),
      ...(isSecure ? ['Secure'] : []),
      'HttpOnly',
      `SameSite=${site.charAt(0).toUpperCase()}${site.slice(1)}`,
    ];
    return ['set-cookie', attributes.join('; ')];
  }

  /** `now` in ms since the epoch. */
  private seal({ cluster, endpoint }: Sealed, now: number): string {
    const head = Buffer.alloc(TIME_BYTES);
    head.writeUInt32BE(Math.floor(now / 1000));
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(Buffer.from(this.name));
    const plain = Buffer.concat([head, Buffer.from(cluster, 'hex'), Buffer.from(endpoint)]);
    return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString('base64url');
  }

  /** Undefined where it is none of ours, or too old. */
  private open(token: string, now: number): Sealed | undefined {
    if (token.length > MAX_TOKEN) return undefined;
    const bytes = Buffer.from(token, 'base64url');
    if (bytes.length <= NONCE_BYTES + TIME_BYTES + CLUSTER_BYTES + TAG_BYTES) return undefined;
    const nonce = bytes.subarray(0, NONCE_BYTES);
    const decipher = createDecipheriv(ALGORITHM, this.key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(this.name));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    let plain: Buffer;
    try {
      plain = Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
    } catch {
      return undefined;
    }
    const { absolute_timeout: age } = this.config;
    if (age > 0 && now / 1000 >= plain.readUInt32BE() + age) return undefined;
    const cluster = plain.subarray(TIME_BYTES, TIME_BYTES + CLUSTER_BYTES).toString('hex');
    return { cluster, endpoint: plain.subarray(TIME_BYTES + CLUSTER_BYTES).toString() };
  }
}

const ids = new Map<string, string>();
/** Names come from the configuration: there are as many as clusters. */
const MAX_IDS = 10_000;

/** A cluster in a token. */
function idOf(cluster: string): string {
  let id = ids.get(cluster);
  if (id === undefined) {
    if (ids.size >= MAX_IDS) ids.clear();
    id = createHash('sha256')
      .update(cluster)
      .digest('hex')
      .slice(0, 2 * CLUSTER_BYTES);
    ids.set(cluster, id);
  }
  return id;
}

const made = new WeakMap<Persistence, Map<string, Tokens>>();

/** The visit of a session's client on a route; undefined where it persists nothing. `now` in ms since the epoch. */
export function visitOf(
  route: Route,
  table: Clusters,
  metadata: Metadata,
  now: number = Date.now(),
): Visit | undefined {
  const config = route.persistence ?? ofClusters(route, table);
  // Who has no header has no token.
  if (config === undefined || metadata['HTTP'] === undefined) return undefined;
  let ofConfig = made.get(config);
  if (ofConfig === undefined) made.set(config, (ofConfig = new Map<string, Tokens>()));
  let tokens = ofConfig.get(route.name);
  if (tokens === undefined) {
    ofConfig.set(route.name, (tokens = new Tokens(config, route.name, config !== route.persistence)));
  }
  return tokens.visit(metadata, now);
}

/** That of the first that has one: for all of a route's destinations, as else clients would gather at those that have it. */
function ofClusters({ destination, destinations }: Route, table: Clusters): Persistence | undefined {
  if (destinations.length === 0) return table.cluster(destination ?? '')?.config.persistence;
  for (const { cluster, weight } of destinations) {
    const found = cluster === undefined || weight === 0 ? undefined : table.cluster(cluster)?.config.persistence;
    if (found) return found;
  }
  return undefined;
}
