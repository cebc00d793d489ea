/** What the proxies that are connected here hold, and how it fares in them: from their ACKs, NACKs and reports. */
import type { Proxy, ProxyFault, ResourceReport } from '../../gen/messages.ts';
import type { View } from '../core/catalog.ts';
import type { NodeEvent, NodeFacts, Resource, ResourceKey } from '../core/resource.ts';
import { resourceId } from '../model/resource-id.ts';
import { particularsOf } from '../model/resource-types.ts';
import { type Alike, groupAlike, shares, type Wanted } from './alike.ts';
import { Asking, leadsOn } from './asking.ts';
import { REPORTS } from '../../rpc/features.ts';
import { Acked, Facts, holds } from './facts.ts';
import { type FaultCount, Failures, MAX_FAULTS } from './failures.ts';
import { createLister } from './listing.ts';
import { MAX_MESSAGE, readRefusal } from './refusal.ts';
import { Settling } from './settling.ts';
import type { Tracked } from './tracked.ts';

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
  private readonly failures = new Failures();
  private readonly listeners = new Set<() => void>();
  private readonly settling: Settling;
  private readonly options: TrackerOptions;
  private tallies = new WeakMap<object, { readonly generation: number; readonly alike: readonly Alike[] }>();

  constructor(options: TrackerOptions) {
    this.options = options;
    this.settling = new Settling(options.quiet ?? QUIET_MS, (ids) => this.settle(ids));
  }

  close(): void {
    this.settling.close();
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
    for (const each of this.has(id) ? resources : []) {
      const { type_url: typeUrl, name, version, reason: message } = each;
      const known = this.failures.get(id, { typeUrl, name });
      const kind = stateOf(each);
      if (kind === 'failed' || kind === 'waiting') {
        this.failures.set({ proxy: id, typeUrl, name, version, kind, message });
      } else if (known && known.kind !== 'NACK') {
        this.failures.delete(known);
      }
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
    return this.failures.count();
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
          if (alike.facts === undefined || asked.every((each) => alike.facts?.serves(each))) serving += count;
        }
      }
    }
    return { selected, acked, serving, failed: this.failuresOf(resources, audiences).slice(0, MAX_FAULTS) };
  }

  /** Proxies that refused these very versions, or in which they failed. */
  failuresOf(resources: readonly Resource[], audiences: Audiences): ProxyFault[] {
    return this.failures.proxiesFailing(resources, (id) => audiences.some((audience) => audience.has(id)));
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
      const failure = this.failures.get(id, each);
      if (failure?.version === each.version) return failure;
    }
    if (proxy === undefined || asked.length === 0 || !this.hasAcked(id, asked)) return undefined;
    const facts = this.factsOf(proxy);
    return facts === undefined || asked.every((each) => facts.serves(each)) ? 'serving' : undefined;
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
    const list = createLister(controlPlane);
    for (const [id, proxy] of this.proxies) {
      const [view, facts, failures] = [this.options.viewOf(id), this.factsOf(proxy), this.failures.of(id)];
      yield list(proxy, { view, facts, failures });
    }
  }

  /** Undefined: it does not report. Of one that will, nothing is known before it did. */
  private factsOf({ node: { id, node } }: Tracked): Facts | undefined {
    return this.reports.get(id) ?? (node.client_features.includes(REPORTS) ? Facts.none : undefined);
  }

  /** A further stream of a proxy takes nothing away from what the others said. */
  private connect(node: NodeFacts): void {
    const rest = { asking: new Asking(), acked: new Map(), nacks: new Map() };
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
      const failure = this.failures.get(id, { typeUrl, name });
      if (failure) this.failures.delete(failure);
    }
  }

  /** Nothing is kept of the type: a proxy may name others on each of its streams. */
  private unsubscribe({ id, typeUrl }: Extract<NodeEvent, { type: 'unsubscribed' }>): void {
    const proxy = this.proxies.get(id);
    if (proxy === undefined) return;
    proxy.asking.delete(typeUrl);
    proxy.acked.delete(typeUrl);
    proxy.nacks.delete(typeUrl);
    for (const failure of this.failures.of(id)) if (failure.typeUrl === typeUrl) this.failures.delete(failure);
  }

  /** It may ask for more because of what it did now. */
  private unsettle(id: string): void {
    const proxy = this.proxies.get(id);
    if (proxy === undefined) return;
    proxy.asking.settled = false;
    this.settling.restart(id);
  }

  private settle(ids: readonly string[]): void {
    for (const id of ids) {
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
    for (const failure of this.failures.of(id)) {
      const { name, version, kind } = failure;
      if (failure.typeUrl !== typeUrl) continue;
      const isOther = versions.has(name) && versions.get(name) !== version;
      const isTaken = kind === 'NACK' && versions.get(name) === version;
      if (removed.includes(name) || isOther || isTaken) this.failures.delete(failure);
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
      this.failures.set({ proxy: id, typeUrl, name, version, kind: 'NACK', message: named.get(name) ?? message });
    }
  }

  private forget(id: string): void {
    for (const failure of this.failures.of(id)) this.failures.delete(failure);
    this.proxies.delete(id);
    this.settling.delete(id);
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
    const proxies = [...audience.keys()].flatMap((id) => this.proxies.get(id) ?? []);
    const alike = groupAlike(proxies, (proxy) => this.factsOf(proxy));
    this.tallies.set(audience, { generation: this.generation, alike });
    return alike;
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
