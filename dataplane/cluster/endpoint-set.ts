/** The live endpoints of a cluster: they follow its configuration and its names, and those that stay keep their state. */
import type { ClusterSpec, Cluster as Config } from '../../gen/l7mp/config/v1/types.ts';
import { isName } from './dns.ts';
import { Endpoint, type EndpointIdentity } from './endpoint.ts';

/** Where the endpoints of a configuration come from. */
export interface Surroundings {
  /** The protocol has no network, or its spec says where it goes: names are its own, and no endpoint means one. */
  readonly local: boolean;
  /** The addresses that a name has now. */
  readonly addressesOf: (name: string) => readonly string[];
}

export class EndpointSet {
  /** Another list whenever an endpoint or a weight is another: what is computed of a list holds as long as it does. */
  list: readonly Endpoint[] = [];
  /** How many may be picked. */
  usable = 0;
  /** Made when it is first asked. */
  private byKey: Map<string, Endpoint> | undefined;

  /** Makes the list anew. Endpoints that are gone keep nothing running. */
  follow(config: Config, surroundings: Surroundings): void {
    const before = new Map(this.list.map((endpoint) => [endpoint.name, endpoint]));
    const transport = transportOf(config.spec);
    const bind = 'bind' in transport ? transport.bind : undefined;
    const next = identities(config, surroundings).map(({ weight, ...identity }) => {
      const known = before.get(identity.name);
      const endpoint = known?.is(identity) ? known : new Endpoint(identity, weight, bind);
      endpoint.weight = weight;
      return endpoint;
    });
    const stay = new Set(next);
    for (const endpoint of this.list) if (!stay.has(endpoint)) endpoint.readmit();
    this.list = next;
    this.byKey = undefined;
    this.refresh();
  }

  /** After the state of an endpoint has changed: decides anew which may be picked. */
  refresh(): void {
    this.usable = this.mark((endpoint) => endpoint.sound && endpoint.ejection === undefined);
    // An ejection is a guess from what became of sessions: where it would leave nobody, it is passed over.
    if (this.usable === 0) this.usable = this.mark((endpoint) => endpoint.sound);
  }

  /** That at this place, whether it may be picked or not: who has a session with it keeps it. */
  at({ address, port }: Pick<Endpoint, 'address' | 'port'>): Endpoint | undefined {
    return this.list.find((endpoint) => endpoint.address === address && endpoint.port === port);
  }

  /** That of this `hashKey`, where it may be picked. */
  withKey(key: string): Endpoint | undefined {
    this.byKey ??= new Map(this.list.map((endpoint) => [endpoint.hashKey, endpoint]));
    const endpoint = this.byKey.get(key);
    return endpoint?.usable === true ? endpoint : undefined;
  }

  hasOther(tried: ReadonlySet<string>): boolean {
    return this.list.some(({ usable, name }) => usable && !tried.has(name));
  }

  /** What `pick` makes of the list while these can't be picked; where there are no others, all can. */
  passingOver<T>(tried: ReadonlySet<string> | undefined, pick: () => T): T {
    if (tried === undefined || tried.size === 0 || !this.hasOther(tried)) return pick();
    // The same list for the balancer, which keeps what it has computed of it.
    const passed = this.list.filter(({ usable, name }) => usable && tried.has(name));
    for (const endpoint of passed) endpoint.usable = false;
    const picked = pick();
    for (const endpoint of passed) endpoint.usable = true;
    return picked;
  }

  private mark(isUsable: (endpoint: Endpoint) => boolean): number {
    let count = 0;
    for (const endpoint of this.list) {
      endpoint.usable = isUsable(endpoint);
      if (endpoint.usable) count++;
    }
    return count;
  }
}

/** The names among the addresses of a configuration's endpoints. */
export function namesOf({ endpoints }: Config, local: boolean): string[] {
  if (local) return [];
  return endpoints.flatMap(({ spec }) => (isName(spec.address) ? [spec.address] : []));
}

/** What the protocol of a cluster rides on, where its spec has a transport: that has the port. */
function transportOf(spec: ClusterSpec): ClusterSpec {
  return 'transport_spec' in spec ? transportOf(spec.transport_spec) : spec;
}

function identities(config: Config, { local, addressesOf }: Surroundings): (EndpointIdentity & { weight: number })[] {
  const transport = transportOf(config.spec);
  const clusterPort = 'port' in transport ? transport.port : 0;
  const path = 'filename' in transport ? (transport.filename ?? '') : '';
  if (config.endpoints.length === 0 && config.discovery === undefined && (local || path !== '')) {
    const { name } = config;
    return [{ name, spec: { port: 0 }, address: path, port: clusterPort, located: true, host: path, weight: 1 }];
  }
  return config.endpoints.flatMap(({ name, spec, weight }) => {
    const { address = path } = spec;
    const common = { name, spec, port: spec.port || clusterPort, weight };
    if (local || !isName(address)) return [{ ...common, address, located: local || address !== '', host: address }];
    const addresses = addressesOf(address);
    if (addresses.length === 0) return [{ ...common, address: '', located: false, host: address }];
    return config.dns.all
      ? addresses.map((each) => ({ ...common, name: `${name}#${each}`, address: each, located: true, host: each }))
      : addresses.slice(0, 1).map((each) => ({ ...common, address: each, located: true, host: address }));
  });
}
