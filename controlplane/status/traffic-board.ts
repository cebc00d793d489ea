/** What proxies tell of their sessions, while somebody looks: asked for then, summed over proxies, and kept no longer. */
import type { ReportRequest, ReportResponse, SessionFault, SessionsReport } from '../../gen/messages.ts';
import { sumTraffic, TrafficRates, type TrafficView } from '../../common/web/traffic-rates.ts';

/** What somebody wants to see. */
export interface Watched {
  /** So often, in ms. */
  readonly intervalMs: number;
  /** Only of this proxy. Absent: of all. */
  readonly proxy?: string | undefined;
  /** The most sessions. Needs a proxy. Default: 0. */
  readonly sessions?: number;
  /** The sessions whose whole is wanted. Needs a proxy. */
  readonly details?: readonly string[];
}

export interface TrafficSum {
  readonly items: ReadonlyMap<string, TrafficView>;
  /** Pieces that are left out, by proxies or here. */
  readonly omitted: number;
  /** Proxies that tell of their sessions. */
  readonly reporting: number;
}

/** A proxy that reports. */
export interface Seat {
  /** What it is asked for; `end_sessions` are given once. */
  wants(): ReportResponse;
  take(report: Pick<ReportRequest, 'traffic' | 'sessions'>): void;
  leave(): void;
}

interface Entry {
  rates: TrafficRates;
  readonly onWant: () => void;
  items: ReadonlyMap<string, TrafficView>;
  omitted: number;
  faults: readonly SessionFault[];
  sessions: SessionsReport | undefined;
  end: string[];
}

/** Of all proxies together. */
const MAX_ITEMS = 50_000;
const MAX_DETAILS = 16;
const MAX_ENDS = 1000;

export class TrafficBoard {
  private readonly proxies = new Map<string, Entry>();
  private readonly watchers = new Set<Watched>();
  private readonly heard = new Set<() => void>();
  private held = 0;
  /** By proxy; '' is all. Until the next report. */
  private readonly sums = new Map<string, TrafficSum>();

  /** A proxy has come. `onWant`: it is to be asked for something else. */
  join(id: string, onWant: () => void): Seat {
    const entry: Entry = {
      rates: new TrafficRates(),
      onWant,
      items: new Map(),
      omitted: 0,
      faults: [],
      sessions: undefined,
      end: [],
    };
    this.proxies.set(id, entry);
    return {
      wants: () => ({ ...this.wantsOf(id), end_sessions: entry.end.splice(0) }),
      take: (report) => this.take(entry, report),
      leave: () => {
        this.drop(entry);
        if (this.proxies.get(id) === entry) this.proxies.delete(id);
      },
    };
  }

  /** Somebody looks, until the function is called that this gives. */
  watch(watched: Watched): () => void {
    this.watchers.add(watched);
    this.ask(watched.proxy);
    return () => {
      if (!this.watchers.delete(watched)) return;
      this.ask(watched.proxy);
      for (const [id, entry] of this.proxies) if (this.wantsOf(id).traffic_interval_ms === 0) this.drop(entry);
    };
  }

  /** Calls after each report; gives the function that ends it. */
  onReport(listener: () => void): () => void {
    this.heard.add(listener);
    return () => this.heard.delete(listener);
  }

  traffic(proxy?: string): TrafficSum {
    const known = this.sums.get(proxy ?? '') ?? this.sumOf(proxy);
    this.sums.set(proxy ?? '', known);
    return known;
  }

  *byProxy(): Iterable<readonly [proxy: string, items: ReadonlyMap<string, TrafficView>]> {
    for (const [id, { items }] of this.proxies) if (items.size > 0) yield [id, items];
  }

  /** The newest first, each with its proxy. */
  faults(proxy?: string): (SessionFault & { readonly proxy: string })[] {
    const all = this.entries(proxy).flatMap(([id, { faults }]) => faults.map((each) => ({ ...each, proxy: id })));
    return all.sort((one, other) => timeOf(other) - timeOf(one)).slice(0, 200);
  }

  /** Undefined: nothing was told yet. */
  sessions(proxy: string): SessionsReport | undefined {
    return this.proxies.get(proxy)?.sessions;
  }

  /** Ends sessions of a proxy. False: it does not report, or too many wait to be ended there. */
  end(proxy: string, names: readonly string[]): boolean {
    const entry = this.proxies.get(proxy);
    if (entry === undefined || entry.end.length + names.length > MAX_ENDS) return false;
    entry.end.push(...names);
    entry.onWant();
    return true;
  }

  private take(entry: Entry, { traffic, sessions }: Pick<ReportRequest, 'traffic' | 'sessions'>): void {
    if (traffic === undefined || this.watchers.size === 0) return; // asked for by somebody who is gone
    const items = entry.rates.take(traffic);
    this.held -= entry.items.size;
    const fits = this.held + items.size <= MAX_ITEMS;
    entry.items = fits ? items : new Map();
    entry.omitted = traffic.omitted + (fits ? 0 : items.size);
    this.held += entry.items.size;
    entry.faults = traffic.faults;
    entry.sessions = sessions;
    this.sums.clear();
    for (const listener of this.heard) listener();
  }

  private drop(entry: Entry): void {
    this.held -= entry.items.size;
    Object.assign(entry, { rates: new TrafficRates(), items: new Map(), omitted: 0, faults: [], sessions: undefined });
    this.sums.clear();
  }

  private wantsOf(id: string): Omit<ReportResponse, 'end_sessions'> {
    let interval = Infinity;
    let most = 0;
    const details = new Set<string>();
    for (const { intervalMs, proxy, sessions = 0, details: named = [] } of this.watchers) {
      if (proxy !== undefined && proxy !== id) continue;
      interval = Math.min(interval, intervalMs);
      most = Math.max(most, proxy === undefined ? 0 : sessions);
      for (const name of named) if (details.size < MAX_DETAILS) details.add(name);
    }
    return {
      traffic_interval_ms: interval === Infinity ? 0 : interval,
      sessions: most,
      session_details: [...details],
    };
  }

  private ask(proxy: string | undefined): void {
    for (const [, { onWant }] of this.entries(proxy)) onWant();
  }

  private entries(proxy: string | undefined): (readonly [string, Entry])[] {
    if (proxy === undefined) return [...this.proxies];
    const entry = this.proxies.get(proxy);
    return entry ? [[proxy, entry]] : [];
  }

  private sumOf(proxy: string | undefined): TrafficSum {
    const told: ReadonlyMap<string, TrafficView>[] = [];
    let [omitted, reporting] = [0, 0];
    for (const [, entry] of this.entries(proxy)) {
      if (entry.items.size > 0) reporting++;
      told.push(entry.items);
      omitted += entry.omitted;
    }
    return { items: sumTraffic(told), omitted, reporting };
  }
}

/** In ms since the epoch. Texts have as many digits of a second as whoever wrote them, so that they have no order of their own. */
function timeOf({ time }: SessionFault): number {
  return time === undefined ? 0 : Date.parse(time);
}
