/** What sessions have done, by the way that they took and by endpoint: those that ended, plus those that live. */
import type { SessionFault } from '../../gen/messages.ts';
import { failureOf } from '../core/failures.ts';
import type { SessionView } from '../core/session.ts';

/** From a listener by a rule and a route to a cluster. Names that there are none of are empty. */
export interface Way {
  readonly listener: string;
  readonly rule: string;
  readonly route: string;
  readonly cluster: string;
}

export interface Sums {
  active: number;
  opened: number;
  failed: number;
  /** From clients, and to them. */
  bytesIn: number;
  bytesOut: number;
  /** What of both the kernel relayed. */
  bytesKernel: number;
}

export interface WaySums extends Sums {
  readonly way: Way;
}

export interface EndpointSums extends Sums {
  readonly cluster: string;
  readonly endpoint: string;
}

export interface WayTotals {
  readonly ways: ReadonlyMap<string, WaySums>;
  readonly endpoints: ReadonlyMap<string, EndpointSums>;
}

/** Ways, and endpoints, whose sums are kept: beyond, the one goes that was the first to come. Configurations come and go for years. */
const MAX_KEPT = 2000;
/** Of sessions that failed. */
const MAX_FAULTS = 20;

export class SessionWays {
  private readonly kept: { ways: Map<string, WaySums>; endpoints: Map<string, EndpointSums> } = {
    ways: new Map(),
    endpoints: new Map(),
  };
  private readonly refused = new Map<string, number>();
  /** The last sessions that failed, the newest last. */
  readonly faults: SessionFault[] = [];

  /** Adds a session that has ended. */
  ended(session: SessionView): void {
    const failure = failureOf(session);
    for (const sums of sumsOf(this.kept, session)) {
      add(sums, session);
      if (failure !== undefined) sums.failed++;
    }
    bound(this.kept.ways);
    bound(this.kept.endpoints);
    if (failure !== undefined) this.remember(session, failure);
  }

  /** Adds a session that was not taken. */
  refuse(listener: string): void {
    this.refused.set(listener, (this.refused.get(listener) ?? 0) + 1);
    bound(this.refused);
  }

  refusedAt(listener: string): number {
    return this.refused.get(listener) ?? 0;
  }

  /** The sums of now, with the live sessions in. */
  with(live: Iterable<SessionView>): WayTotals {
    const now = { ways: copy(this.kept.ways), endpoints: copy(this.kept.endpoints) };
    for (const session of live) {
      if (session.status === 'DESTROYED') continue; // listed for a while, and counted already
      for (const sums of sumsOf(now, session)) {
        add(sums, session);
        sums.active++;
      }
    }
    return now;
  }

  private remember({ name, listener, destination, events, endedAt = Date.now() }: SessionView, code: string): void {
    this.faults.push({
      time: new Date(endedAt).toISOString(),
      session: name,
      listener,
      cluster: destination?.origin ?? '',
      code,
      message: whyOf(events, code),
    });
    if (this.faults.length > MAX_FAULTS) this.faults.shift();
  }
}

/** What the timeline says of it last, beside the code. */
function whyOf(events: SessionView['events'], code: string): string {
  for (const { message, content } of events.toReversed())
    if (typeof content === 'string' && content !== '' && content !== code) return `${message}: ${content}`;
  return events.at(-1)?.message ?? '';
}

export function wayKey({ listener, rule, route, cluster }: Way): string {
  return `${listener}\n${rule}\n${route}\n${cluster}`;
}

export function noSums(): Sums {
  return { active: 0, opened: 0, failed: 0, bytesIn: 0, bytesOut: 0, bytesKernel: 0 };
}

/** Those that a session belongs to. */
function sumsOf(
  { ways, endpoints }: { readonly ways: Map<string, WaySums>; readonly endpoints: Map<string, EndpointSums> },
  { listener, rule = '', route = '', destination }: SessionView,
): Sums[] {
  const cluster = destination?.origin ?? '';
  const way = { listener, rule, route, cluster };
  const found: Sums[] = [entry(ways, wayKey(way), () => ({ way, ...noSums() }))];
  const endpoint = destination?.endpoint?.name;
  if (endpoint !== undefined)
    found.push(entry(endpoints, `${cluster}\n${endpoint}`, () => ({ cluster, endpoint, ...noSums() })));
  return found;
}

function entry<T>(all: Map<string, T>, key: string, make: () => T): T {
  const known = all.get(key);
  if (known !== undefined) return known;
  const made = make();
  all.set(key, made);
  return made;
}

/** What a session has from an earlier process was counted there. */
function add(sums: Sums, { counters, kernelTraffic, inherited }: SessionView): void {
  sums.opened++;
  sums.bytesIn += counters.ingress.bytes - (inherited?.passed.ingress.bytes ?? 0);
  sums.bytesOut += counters.egress.bytes - (inherited?.passed.egress.bytes ?? 0);
  if (kernelTraffic === undefined) return;
  for (const direction of ['ingress', 'egress'] as const)
    sums.bytesKernel += kernelTraffic[direction].bytes - (inherited?.relayed[direction].bytes ?? 0);
}

function bound(all: Map<string, unknown>): void {
  if (all.size <= MAX_KEPT) return;
  const [oldest = ''] = all.keys();
  all.delete(oldest);
}

function copy<T extends object>(all: ReadonlyMap<string, T>): Map<string, T> {
  return new Map([...all].map(([key, sums]) => [key, { ...sums }]));
}
