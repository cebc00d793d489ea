/** What the proxies that are connected here hold, and how it fares in them: from their ACKs, NACKs and reports. */
import type { Proxy, ProxyFault, ResourceFault, ResourceReport } from '../../gen/messages.ts';
import type { View } from '../core/catalog.ts';
import type { NodeEvent, NodeFacts, Resource, ResourceKey } from '../core/resource.ts';
import { Acked, Facts } from './facts.ts';
import { MAX_MESSAGE, readRefusal } from './refusal.ts';

/** Faults of one proxy that are kept; more are counted by their type's last NACK only. */
const MAX_FAULTS = 100;

interface Failure extends ProxyFault {
  readonly typeUrl: string;
  readonly name: string;
  readonly version: string;
}

interface Tracked {
  readonly node: NodeFacts;
  readonly connectedAt: string;
  readonly acked: Map<string, Acked>;
  /** What the last NACK of a type said. */
  readonly nacks: Map<string, string>;
  /** By resource. */
  readonly failures: Map<string, Failure>;
}

/** Proxies that hold the very same. */
interface Alike {
  readonly acked: ReadonlyMap<string, Acked>;
  /** Absent: they do not report. */
  readonly facts: Facts | undefined;
  count: number;
}

export interface Counts {
  readonly selected: number;
  readonly acked: number;
  readonly serving: number;
  /** At most 100. */
  readonly failed: readonly ProxyFault[];
}

type Audiences = readonly ReadonlyMap<string, NodeFacts>[];

export class Tracker {
  /** Goes up with whatever changes. */
  generation = 0;
  private readonly proxies = new Map<string, Tracked>();
  private readonly reports = new Map<string, Facts>();
  /** By resource, then by proxy. */
  private readonly failures = new Map<string, Map<string, Failure>>();
  private readonly listeners = new Set<() => void>();
  private tallies = new WeakMap<object, { readonly generation: number; readonly alike: readonly Alike[] }>();

  /** Hears that something changed: often, so do little. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  readonly observe = (event: NodeEvent): void => {
    switch (event.type) {
      case 'connected':
        this.forget(event.node.id);
        this.proxies.set(event.node.id, {
          node: event.node,
          connectedAt: new Date().toISOString(),
          acked: new Map(),
          nacks: new Map(),
          failures: new Map(),
        });
        break;
      case 'disconnected':
        this.forget(event.id);
        break;
      case 'ack':
        this.acknowledge(event.id, event.typeUrl, event.versions, event.removed);
        break;
      default:
        this.refuse(event);
    }
    this.changed();
  };

  /** What a proxy reports; `first` says it of all. */
  report(id: string, resources: readonly ResourceReport[], first: boolean): void {
    const reports = resources.map(({ type_url: typeUrl, name, version, state }) => ({
      key: keyOf({ typeUrl, name }),
      version,
      state,
    }));
    this.reports.set(id, (first ? Facts.none : (this.reports.get(id) ?? Facts.none)).after(reports));
    const proxy = this.proxies.get(id);
    for (const { type_url: typeUrl, name, version, state, reason } of resources) {
      const known = proxy?.failures.get(keyOf({ typeUrl, name }));
      if (state === 'failed' && proxy) this.fail(proxy, { typeUrl, name, version, kind: 'failed', message: reason });
      else if (known?.kind === 'failed') this.heal(id, known);
    }
    this.changed();
  }

  /** The proxy's reports have ended. */
  unreport(id: string): void {
    if (this.reports.delete(id)) this.changed();
  }

  *nodes(): Iterable<NodeFacts> {
    for (const { node } of this.proxies.values()) yield node;
  }

  has(id: string): boolean {
    return this.proxies.has(id);
  }

  /** How resources fare in proxies. What nobody wants is not waited for. */
  count(resources: readonly Resource[], audiences: Audiences): Counts {
    let [selected, acked, serving] = [0, 0, 0];
    for (const audience of audiences) {
      selected += audience.size;
      for (const alike of this.tally(audience)) {
        if (!resources.every((each) => alike.acked.get(each.typeUrl)?.versions.get(each.name) === each.version))
          continue;
        acked += alike.count;
        if (alike.facts === undefined || resources.every((each) => serves(alike.facts, each))) serving += alike.count;
      }
    }
    return { selected, acked, serving, failed: this.failuresOf(resources, audiences) };
  }

  /** Proxies that refused these very versions, or in which they failed. */
  failuresOf(resources: readonly Resource[], audiences: Audiences): ProxyFault[] {
    const failed = new Map<string, ProxyFault>();
    for (const resource of resources) {
      for (const [id, { version, kind, message }] of this.failures.get(keyOf(resource)) ?? []) {
        if (version !== resource.version || !audiences.some((audience) => audience.has(id))) continue;
        if (failed.size < MAX_FAULTS) failed.set(id, { proxy: id, kind, message: `${resource.name}: ${message}` });
      }
    }
    return [...failed.values()];
  }

  /** Whether one proxy has taken these versions. */
  hasAcked(id: string, resources: readonly Resource[]): boolean {
    const acked = this.proxies.get(id)?.acked;
    return (
      acked !== undefined &&
      resources.every((each) => acked.get(each.typeUrl)?.versions.get(each.name) === each.version)
    );
  }

  /** The proxies that are connected here. */
  *show(controlPlane: string, viewOf: (id: string) => View | undefined): Iterable<Proxy> {
    const syncOf = syncs();
    for (const [id, proxy] of this.proxies) {
      const { node, connectedAt: connected_at, acked, nacks, failures } = proxy;
      const { user_agent_name: agent, user_agent_version: version } = node.node;
      const view = viewOf(id);
      const types = [...new Set([...acked.keys(), ...nacks.keys()])].sort();
      yield {
        id,
        labels: node.labels,
        agent: [agent, version].filter((part) => part !== '').join('/'),
        address: node.peer,
        control_plane: controlPlane,
        connected_at,
        variant: node.variant,
        types: types.map((type_url) => {
          const held = acked.get(type_url) ?? Acked.none;
          const facts = this.reports.get(id);
          const { synced, serving } = syncOf(view, type_url, held, facts);
          const nack = nacks.get(type_url) ?? '';
          return { type_url, resources: held.versions.size, synced: synced && nack === '', nack, serving };
        }),
        faults: [...failures.values()].map(({ typeUrl: type_url, name, kind, message }): ResourceFault => ({
          type_url,
          name,
          kind,
          message,
        })),
      };
    }
  }

  private acknowledge(id: string, typeUrl: string, versions: ReadonlyMap<string, string>, removed: readonly string[]) {
    const proxy = this.proxies.get(id);
    if (proxy === undefined) return;
    proxy.acked.set(typeUrl, (proxy.acked.get(typeUrl) ?? Acked.none).after(versions, removed));
    proxy.nacks.delete(typeUrl);
    for (const failure of [...proxy.failures.values()]) {
      const { name } = failure;
      if (failure.typeUrl !== typeUrl) continue;
      if (removed.includes(name) || (versions.has(name) && versions.get(name) !== failure.version))
        this.heal(id, failure);
      else if (failure.kind === 'NACK' && versions.get(name) === failure.version) this.heal(id, failure);
    }
  }

  /**
   * A line `NAME: fault` says which resource was refused; the others of the response were taken, unless the text goes on
   * further than it is read. Without such lines all were refused.
   */
  private refuse({ id, typeUrl, versions, message }: Extract<NodeEvent, { type: 'nack' }>): void {
    const proxy = this.proxies.get(id);
    if (proxy === undefined) return;
    const { named, whole } = readRefusal(message, versions.keys());
    if (named.size > 0 && whole) {
      const taken = new Map([...versions].filter(([name]) => !named.has(name)));
      if (taken.size > 0) this.acknowledge(id, typeUrl, taken, []);
    }
    proxy.nacks.set(typeUrl, message.slice(0, MAX_MESSAGE));
    const refused = named.size > 0 ? named.keys() : versions.keys();
    for (const name of refused) {
      const version = versions.get(name) ?? '';
      this.fail(proxy, { typeUrl, name, version, kind: 'NACK', message: named.get(name) ?? message });
    }
  }

  private fail(proxy: Tracked, { message, ...rest }: Omit<Failure, 'proxy'>): void {
    const { id } = proxy.node;
    const key = keyOf(rest);
    if (proxy.failures.size >= MAX_FAULTS && !proxy.failures.has(key)) return;
    const failure: Failure = { ...rest, proxy: id, message: message.slice(0, MAX_MESSAGE) };
    proxy.failures.set(key, failure);
    const others = this.failures.get(key);
    if (others) others.set(id, failure);
    else this.failures.set(key, new Map([[id, failure]]));
  }

  private heal(id: string, failure: Failure): void {
    const key = keyOf(failure);
    this.proxies.get(id)?.failures.delete(key);
    const others = this.failures.get(key);
    others?.delete(id);
    if (others?.size === 0) this.failures.delete(key);
  }

  private forget(id: string): void {
    for (const failure of [...(this.proxies.get(id)?.failures.values() ?? [])]) this.heal(id, failure);
    this.proxies.delete(id);
  }

  /** The proxies of an audience, those together that hold the same. */
  private tally(audience: ReadonlyMap<string, NodeFacts>): readonly Alike[] {
    const known = this.tallies.get(audience);
    if (known?.generation === this.generation) return known.alike;
    const alike = new Map<string, Alike>();
    for (const id of audience.keys()) {
      const proxy = this.proxies.get(id);
      if (proxy === undefined) continue;
      const facts = this.reports.get(id);
      const serials = [...proxy.acked].map(([typeUrl, { serial }]) => `${typeUrl} ${serial}`).sort();
      const key = [...serials, `${facts?.serial ?? 0}`].join('\n');
      const found = alike.get(key);
      if (found) found.count++;
      else alike.set(key, { acked: new Map(proxy.acked), facts, count: 1 });
    }
    this.tallies.set(audience, { generation: this.generation, alike: [...alike.values()] });
    return [...alike.values()];
  }

  /** After proxies were moved, too. */
  changed(): void {
    this.generation++;
    for (const listener of this.listeners) listener();
  }
}

function keyOf({ typeUrl, name }: ResourceKey): string {
  return `${typeUrl} ${name}`;
}

/** Only listeners and clusters have more to do than to be accepted. */
const WORKING = /\.(?:Listener|Cluster)$/u;

function serves(facts: Facts | undefined, resource: Resource): boolean {
  const fact = facts?.facts.get(keyOf(resource));
  if (fact?.version !== resource.version) return false;
  return fact.state === 'serving' || (fact.state === 'accepted' && !WORKING.test(resource.typeUrl));
}

interface Sync {
  readonly synced: boolean;
  readonly serving: number;
}

/** How far proxies are with the resources of a type: looked at once for all that hold the same. */
function syncs() {
  const known = new Map<View | undefined, Map<string, Sync>>();
  return (view: View | undefined, typeUrl: string, { serial, versions }: Acked, facts: Facts | undefined): Sync => {
    const ofView = known.get(view) ?? new Map<string, Sync>();
    known.set(view, ofView);
    const key = `${typeUrl} ${serial} ${facts?.serial ?? 0}`;
    let sync = ofView.get(key);
    if (sync === undefined) {
      const resources = view?.resources(typeUrl) ?? new Map<string, Resource>();
      const synced = [...versions].every(([name, held]) => (resources.get(name)?.version ?? held) === held);
      const serving = facts === undefined ? 0 : [...resources.values()].filter((each) => serves(facts, each)).length;
      ofView.set(key, (sync = { synced, serving }));
    }
    return sync;
  };
}
