/** What the proxies that are connected here hold, and how it fares in them: from their ACKs, NACKs and reports. */
import type { Proxy, ProxyFault, ResourceFault, ResourceReport } from '../../gen/messages.ts';
import type { View } from '../core/catalog.ts';
import type { NodeEvent, NodeFacts, Resource, ResourceKey } from '../core/resource.ts';
import { resourceId } from '../model/resource-id.ts';
import { particularsOf } from '../model/resource-types.ts';
import { Asking, leadsOn } from './asking.ts';
import { REPORTS } from '../../rpc/features.ts';
import { Acked, Facts } from './facts.ts';
import { MAX_MESSAGE, readRefusal } from './refusal.ts';

/** Faults of one proxy, or of one object, that are shown. What is counted has all of them, those beyond it without their words. */
const MAX_FAULTS = 100;
const ONE_OF_MANY = `one of more than ${MAX_FAULTS} faults of this proxy`;

/** A proxy that asks for nothing new for so long asks for all that it wants, in ms. */
const QUIET_MS = 5000;

const NO_VERSIONS: ReadonlyMap<string, string> = new Map();

export interface TrackerOptions {
  /** What a proxy is sent. */
  readonly viewOf: (id: string) => View | undefined;
  /** Whose companion a resource is: who takes one of those asks for it. */
  readonly referrersOf: (resource: ResourceKey) => Iterable<ResourceKey>;
  /** How long it takes until what a proxy does not ask for is not waited for, in ms. 5,000 when absent. */
  readonly quiet?: number;
}

interface Failure extends ProxyFault {
  readonly typeUrl: string;
  readonly name: string;
  readonly version: string;
}

interface Tracked {
  readonly node: NodeFacts;
  readonly connectedAt: string;
  readonly asking: Asking;
  readonly acked: Map<string, Acked>;
  /** What the last NACK of a type said. */
  readonly nacks: Map<string, string>;
  /** By resource. */
  readonly failures: Map<string, Failure>;
}

/** Resources in all proxies with one fault, each as often as there are proxies. */
export interface FaultCount {
  /** The type URL. */
  readonly type: string;
  /** `NACK`, `failed` or `waiting`. */
  readonly kind: string;
  readonly count: number;
}

/** Proxies that hold the very same, and ask for the same but for names. */
interface Alike {
  readonly asking: Asking;
  readonly acked: ReadonlyMap<string, Acked>;
  /** Absent: they do not report. */
  readonly facts: Facts | undefined;
  readonly proxies: Tracked[];
}

/** A resource, and those that lead proxies to it. */
interface Wanted {
  readonly resource: Resource;
  readonly referrers: readonly ResourceKey[];
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
  /** Those that may yet ask for more, and when that is over, by `performance.now()`; in the order of that. */
  private readonly unsettled = new Map<string, number>();
  private settling: NodeJS.Timeout | undefined;
  private readonly options: TrackerOptions;
  private tallies = new WeakMap<object, { readonly generation: number; readonly alike: readonly Alike[] }>();

  constructor(options: TrackerOptions) {
    this.options = options;
  }

  close(): void {
    clearTimeout(this.settling);
  }

  /** Hears that something changed: often, so do little. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  readonly observe = (event: NodeEvent): void => {
    switch (event.type) {
      case 'connected':
        this.connect(event.node);
        this.unsettle(event.node.id);
        break;
      case 'disconnected':
        this.forget(event.id);
        break;
      case 'subscribed':
        this.subscribe(event);
        break;
      case 'unsubscribed':
        this.unsubscribe(event);
        break;
      case 'ack':
        this.acknowledge(event.id, event.typeUrl, event.versions, event.removed);
        break;
      default:
        this.refuse(event);
    }
    this.changed();
  };

  /** What a proxy reports; `first` says it of all. Gives what all that it has reported takes, in characters. */
  report(id: string, resources: readonly ResourceReport[], first: boolean): number {
    const reports = resources.map((each) => ({
      key: resourceId({ typeUrl: each.type_url, name: each.name }),
      version: each.version,
      state: stateOf(each),
    }));
    const facts = (first ? Facts.none : (this.reports.get(id) ?? Facts.none)).after(reports);
    this.reports.set(id, facts);
    const proxy = this.proxies.get(id);
    for (const each of resources) {
      const { type_url: typeUrl, name, version, reason: message } = each;
      const known = proxy?.failures.get(resourceId({ typeUrl, name }));
      const kind = stateOf(each);
      if (proxy && (kind === 'failed' || kind === 'waiting'))
        this.fail(proxy, { typeUrl, name, version, kind, message });
      else if (known && known.kind !== 'NACK') this.heal(id, known);
    }
    this.changed();
    return facts.size;
  }

  /** The proxy's reports have ended. */
  unreport(id: string): void {
    if (this.reports.delete(id)) this.changed();
  }

  *nodes(): Iterable<NodeFacts> {
    for (const { node } of this.proxies.values()) yield node;
  }

  /** How many resources were refused, fail, or wait for what is not there, in the proxies that are connected. */
  faults(): FaultCount[] {
    const counts = new Map<string, FaultCount>();
    for (const { failures } of this.proxies.values()) {
      for (const { typeUrl, kind } of failures.values()) {
        const key = `${kind} ${typeUrl}`;
        counts.set(key, { type: typeUrl, kind, count: (counts.get(key)?.count ?? 0) + 1 });
      }
    }
    return [...counts.values()];
  }

  has(id: string): boolean {
    return this.proxies.has(id);
  }

  /** In ISO 8601; undefined: it is not connected. */
  connectedSince(id: string): string | undefined {
    return this.proxies.get(id)?.connectedAt;
  }

  /** How resources fare in those proxies that ask for one of them, each with what it asks for. */
  count(resources: readonly Resource[], audiences: Audiences): Counts {
    let [selected, acked, serving] = [0, 0, 0];
    for (const audience of audiences) {
      const wanted = this.wantedOf(audience, resources);
      for (const alike of this.tally(audience)) {
        for (const [asked, count] of shares(alike, wanted)) {
          if (asked.length === 0) continue;
          selected += count;
          if (!asked.every((each) => holds(alike.acked, each))) continue;
          acked += count;
          if (alike.facts === undefined || asked.every((each) => serves(alike.facts, each))) serving += count;
        }
      }
    }
    return { selected, acked, serving, failed: this.failuresOf(resources, audiences).slice(0, MAX_FAULTS) };
  }

  /** Proxies that refused these very versions, or in which they failed. */
  failuresOf(resources: readonly Resource[], audiences: Audiences): ProxyFault[] {
    const failed = new Map<string, ProxyFault>();
    for (const resource of resources) {
      for (const [id, { version, kind, message }] of this.failures.get(resourceId(resource)) ?? []) {
        if (kind === 'waiting' || version !== resource.version || !audiences.some((audience) => audience.has(id)))
          continue;
        failed.set(id, { proxy: id, kind, message: `${resource.name}: ${message}` });
      }
    }
    return [...failed.values()];
  }

  /** Those of the resources that one proxy asks for. One that is not connected here asks for all. */
  askedOf(id: string, resources: readonly Resource[]): readonly Resource[] {
    const asking = this.proxies.get(id)?.asking;
    if (asking === undefined) return resources;
    return resources.filter((each) => asking.covers(each, () => this.referrersOf(id, each)));
  }

  /**
   * How resources fare in one proxy that has taken these versions of those that it asks for: whether they serve, or what is wrong
   * with one. Undefined: it has not, it doesn't say yet, or it isn't connected here.
   */
  standing(id: string, resources: readonly Resource[]): ProxyFault | 'serving' | undefined {
    const proxy = this.proxies.get(id);
    const asked = this.askedOf(id, resources);
    for (const each of asked) {
      const failure = this.failures.get(resourceId(each))?.get(id);
      if (failure?.version === each.version) return failure;
    }
    if (proxy === undefined || asked.length === 0 || !this.hasAcked(id, asked)) return undefined;
    const facts = this.factsOf(proxy);
    return facts === undefined || asked.every((each) => serves(facts, each)) ? 'serving' : undefined;
  }

  /** Whether one proxy has taken these versions. */
  hasAcked(id: string, resources: readonly Resource[]): boolean {
    const acked = this.proxies.get(id)?.acked;
    return acked !== undefined && resources.every((each) => holds(acked, each));
  }

  /**
   * Whether one proxy holds none of these, in whatever version, but those that it is sent of something else. Where it can't
   * be told that it is to let go, it is not asked to.
   */
  hasLetGo(id: string, resources: readonly ResourceKey[]): boolean {
    const proxy = this.proxies.get(id);
    const view = this.options.viewOf(id);
    return resources.every(({ typeUrl, name }) => {
      if (proxy?.node.variant === 'sotw' && !particularsOf(typeUrl).fullState) return true;
      const held = proxy?.acked.get(typeUrl)?.versions.has(name) ?? false;
      return !held || view?.resources(typeUrl).has(name) === true;
    });
  }

  /** The proxies that are connected here. */
  *show(controlPlane: string): Iterable<Proxy> {
    const syncOf = syncs();
    for (const [id, proxy] of this.proxies) {
      const { node, connectedAt: connected_at, asking, acked, nacks, failures } = proxy;
      const { user_agent_name: agent, user_agent_version: version } = node.node;
      const view = this.options.viewOf(id);
      const types = [...new Set([...asking.asked(), ...acked.keys(), ...nacks.keys()])].sort();
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
          const facts = this.factsOf(proxy);
          const { synced, serving } = syncOf(view, type_url, asking.asksForAll(type_url), held, facts);
          const nack = nacks.get(type_url) ?? '';
          return { type_url, resources: held.versions.size, synced: synced && nack === '', nack, serving };
        }),
        faults: [...failures.values()]
          .slice(0, MAX_FAULTS)
          .map(({ typeUrl: type_url, name, kind, message }): ResourceFault => ({
            type_url,
            name,
            kind,
            message,
          })),
      };
    }
  }

  /** Undefined: it does not report. Of one that will, nothing is known before it did. */
  private factsOf({ node: { id, node } }: Tracked): Facts | undefined {
    return this.reports.get(id) ?? (node.client_features.includes(REPORTS) ? Facts.none : undefined);
  }

  /** A further stream of a proxy takes nothing away from what the others said. */
  private connect(node: NodeFacts): void {
    const rest = { asking: new Asking(), acked: new Map(), nacks: new Map(), failures: new Map() };
    const connectedAt = new Date().toISOString();
    this.proxies.set(node.id, { ...(this.proxies.get(node.id) ?? rest), node, connectedAt });
  }

  private subscribe({ id, typeUrl, asked, dropped }: Extract<NodeEvent, { type: 'subscribed' }>): void {
    const proxy = this.proxies.get(id);
    if (proxy === undefined) return;
    if (proxy.asking.set(typeUrl, asked)) this.unsettle(id);
    const held = proxy.acked.get(typeUrl) ?? Acked.none;
    if (dropped.some((name) => held.versions.has(name))) proxy.acked.set(typeUrl, held.after(NO_VERSIONS, dropped));
    for (const name of dropped) {
      const failure = proxy.failures.get(resourceId({ typeUrl, name }));
      if (failure) this.heal(id, failure);
    }
  }

  /** Nothing is kept of the type: a proxy may name others on each of its streams. */
  private unsubscribe({ id, typeUrl }: Extract<NodeEvent, { type: 'unsubscribed' }>): void {
    const proxy = this.proxies.get(id);
    if (proxy === undefined) return;
    proxy.asking.delete(typeUrl);
    proxy.acked.delete(typeUrl);
    proxy.nacks.delete(typeUrl);
    for (const failure of [...proxy.failures.values()]) if (failure.typeUrl === typeUrl) this.heal(id, failure);
  }

  /** It may ask for more because of what it did now. */
  private unsettle(id: string): void {
    const proxy = this.proxies.get(id);
    if (proxy === undefined) return;
    proxy.asking.settled = false;
    const quiet = this.options.quiet ?? QUIET_MS;
    this.unsettled.delete(id); // to the end
    this.unsettled.set(id, performance.now() + quiet);
    this.settling ??= setTimeout(() => this.settle(), quiet).unref();
  }

  private settle(): void {
    this.settling = undefined;
    const now = performance.now();
    for (const [id, due] of this.unsettled) {
      if (due > now) {
        this.settling = setTimeout(() => this.settle(), due - now).unref();
        break;
      }
      this.unsettled.delete(id);
      const proxy = this.proxies.get(id);
      if (proxy) proxy.asking.settled = true;
    }
    this.changed();
  }

  private acknowledge(id: string, typeUrl: string, versions: ReadonlyMap<string, string>, removed: readonly string[]) {
    const proxy = this.proxies.get(id);
    if (proxy === undefined) return;
    proxy.acked.set(typeUrl, (proxy.acked.get(typeUrl) ?? Acked.none).after(versions, removed));
    proxy.nacks.delete(typeUrl);
    if (versions.size > 0 && leadsOn(typeUrl)) this.unsettle(id);
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
  private refuse({ id, typeUrl, versions, removed, message }: Extract<NodeEvent, { type: 'nack' }>): void {
    const proxy = this.proxies.get(id);
    if (proxy === undefined) return;
    const { named, whole } = readRefusal(message, versions.keys());
    const taken = new Map(named.size > 0 && whole ? [...versions].filter(([name]) => !named.has(name)) : []);
    if (taken.size > 0 || removed.length > 0) this.acknowledge(id, typeUrl, taken, removed);
    proxy.nacks.set(typeUrl, message.slice(0, MAX_MESSAGE));
    const refused = named.size > 0 ? named.keys() : versions.keys();
    for (const name of refused) {
      const version = versions.get(name) ?? '';
      this.fail(proxy, { typeUrl, name, version, kind: 'NACK', message: named.get(name) ?? message });
    }
  }

  private fail(proxy: Tracked, { message, ...rest }: Omit<Failure, 'proxy'>): void {
    const { id } = proxy.node;
    const key = resourceId(rest);
    const isShown = proxy.failures.has(key) || proxy.failures.size < MAX_FAULTS;
    const failure: Failure = { ...rest, proxy: id, message: isShown ? message.slice(0, MAX_MESSAGE) : ONE_OF_MANY };
    proxy.failures.set(key, failure);
    const others = this.failures.get(key);
    if (others) others.set(id, failure);
    else this.failures.set(key, new Map([[id, failure]]));
  }

  private heal(id: string, failure: Failure): void {
    const key = resourceId(failure);
    this.proxies.get(id)?.failures.delete(key);
    const others = this.failures.get(key);
    others?.delete(id);
    if (others?.size === 0) this.failures.delete(key);
  }

  private forget(id: string): void {
    for (const failure of [...(this.proxies.get(id)?.failures.values() ?? [])]) this.heal(id, failure);
    this.proxies.delete(id);
    this.unsettled.delete(id);
  }

  private wantedOf(audience: ReadonlyMap<string, NodeFacts>, resources: readonly Resource[]): readonly Wanted[] {
    const [first = ''] = audience.keys(); // all of them see the same
    return resources.map((resource) => ({ resource, referrers: this.referrersOf(first, resource) }));
  }

  /** Those that a proxy is sent. */
  private referrersOf(id: string, resource: ResourceKey): readonly ResourceKey[] {
    const { referrersOf, viewOf } = this.options;
    return [...referrersOf(resource)].filter(({ typeUrl, name }) => viewOf(id)?.resources(typeUrl).has(name));
  }

  /** The proxies of an audience, those together that hold and ask for the same. */
  private tally(audience: ReadonlyMap<string, NodeFacts>): readonly Alike[] {
    const known = this.tallies.get(audience);
    if (known?.generation === this.generation) return known.alike;
    const alike = new Map<string, Alike>();
    for (const id of audience.keys()) {
      const proxy = this.proxies.get(id);
      if (proxy === undefined) continue;
      const facts = this.factsOf(proxy);
      const serials = [...proxy.acked].map(([typeUrl, { serial }]) => `${typeUrl} ${serial}`).sort();
      const key = [...serials, `${facts?.serial ?? 0}`, proxy.asking.signature].join('\n');
      const found = alike.get(key);
      if (found) found.proxies.push(proxy);
      else alike.set(key, { asking: proxy.asking, acked: new Map(proxy.acked), facts, proxies: [proxy] });
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

/** What was accepted and says what it waits for, or what it lacks, does not serve, whatever it is. */
function stateOf({ state, reason }: ResourceReport): string {
  return state === 'accepted' && reason !== '' ? 'waiting' : state;
}

function serves(facts: Facts | undefined, resource: Resource): boolean {
  const fact = facts?.facts.get(resourceId(resource));
  if (fact?.version !== resource.version) return false;
  return fact.state === 'serving' || (fact.state === 'accepted' && !particularsOf(resource.typeUrl).works);
}

function holds(acked: ReadonlyMap<string, Acked>, { typeUrl, name, version }: Resource): boolean {
  return acked.get(typeUrl)?.versions.get(name) === version;
}

/** How many of those that are alike ask for which of the resources. */
function* shares(
  { asking, acked, proxies }: Alike,
  wanted: readonly Wanted[],
): Iterable<readonly [asked: readonly Resource[], count: number]> {
  const verdicts = wanted.map((each) => {
    const { resource, referrers } = each;
    const verdict = asking.verdict(resource, referrers);
    // What it does not ask for any more it is not said to hold: no names are looked at for what all have.
    return { ...each, verdict: verdict === 'by-name' && holds(acked, resource) ? 'yes' : verdict };
  });
  if (!verdicts.some(({ verdict }) => verdict === 'by-name')) {
    yield [verdicts.flatMap(({ resource, verdict }) => (verdict === 'yes' ? [resource] : [])), proxies.length];
    return;
  }
  for (const { asking: own } of proxies) {
    const asked = verdicts.filter(
      ({ resource, referrers, verdict }) =>
        verdict === 'yes' || (verdict === 'by-name' && own.covers(resource, () => referrers)),
    );
    yield [asked.map(({ resource }) => resource), 1];
  }
}

interface Sync {
  readonly synced: boolean;
  readonly serving: number;
}

/** How far proxies are with the resources of a type: looked at once for all that hold the same. */
function syncs() {
  const known = new Map<View | undefined, Map<string, Sync>>();
  return (
    view: View | undefined,
    typeUrl: string,
    all: boolean,
    { serial, versions }: Acked,
    facts: Facts | undefined,
  ): Sync => {
    const ofView = known.get(view) ?? new Map<string, Sync>();
    known.set(view, ofView);
    const key = `${typeUrl} ${all} ${serial} ${facts?.serial ?? 0}`;
    let sync = ofView.get(key);
    if (sync === undefined) {
      const resources = view?.resources(typeUrl) ?? new Map<string, Resource>();
      const whole = !all || [...resources.keys()].every((name) => versions.has(name));
      const synced = whole && [...versions].every(([name, held]) => (resources.get(name)?.version ?? held) === held);
      const inUse = ({ name, version }: Resource): boolean => versions.get(name) === version;
      const serving = [...resources.values()].filter((each) =>
        facts === undefined ? inUse(each) : serves(facts, each),
      ).length;
      ofView.set(key, (sync = { synced, serving }));
    }
    return sync;
  };
}
