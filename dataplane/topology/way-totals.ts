/** What sessions have done, by the way that they took and by endpoint: those that ended, plus those that live. */
import type { SessionFault } from '../../gen/messages.ts';
import { Recent } from '../../common/recent.ts';
import { failureOf } from '../core/failures.ts';
import type { SessionView } from '../core/session.ts';
import { addSession, copySums, living, noSums, type SessionSums } from '../core/session-sums.ts';

/** From a listener by a rule and a route to a cluster. Names that there are none of are empty. */
export interface Way {
  readonly listener: string;
  readonly rule: string;
  readonly route: string;
  readonly cluster: string;
}

export interface Sums extends SessionSums {
  failed: number;
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

/**
 * Ways, and endpoints, whose sums are kept: beyond, the one goes in which no session has ended for the longest. Configurations come and
 * go for years.
 */
const MAX_KEPT = 2000;
/** Of sessions that failed. */
const MAX_FAULTS = 20;

interface Kept {
  readonly ways: Recent<WaySums>;
  readonly endpoints: Recent<EndpointSums>;
}

export class SessionWays {
  private readonly kept: Kept;
  private readonly refused: Recent<{ count: number }>;
  /** The last sessions that failed, the newest last. */
  readonly faults: SessionFault[] = [];

  constructor(limit = MAX_KEPT) {
    this.kept = { ways: new Recent(limit), endpoints: new Recent(limit) };
    this.refused = new Recent(limit);
  }

  /** Adds a session that has ended. */
  ended(session: SessionView): void {
    const failure = failureOf(session);
    for (const sums of sumsOf(this.kept, session)) {
      addSession(sums, session);
      if (failure !== undefined) sums.failed++;
    }
    if (failure !== undefined) this.remember(session, failure);
  }

  /** Adds a session that was not taken. */
  refuse(listener: string): void {
    this.refused.touch(listener, () => ({ count: 0 })).count++;
  }

  refusedAt(listener: string): number {
    return this.refused.entries.get(listener)?.count ?? 0;
  }

  /** The sums of now, with the live sessions in. */
  with(live: Iterable<SessionView>): WayTotals {
    const now = { ways: copy(this.kept.ways), endpoints: copy(this.kept.endpoints) };
    for (const session of living(live)) {
      for (const sums of sumsOf(now, session)) {
        addSession(sums, session);
        sums.active++;
      }
    }
    return { ways: now.ways.entries, endpoints: now.endpoints.entries };
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

export function noWaySums(): Sums {
  return { ...noSums(), failed: 0 };
}

/** Those that a session belongs to. */
function sumsOf({ ways, endpoints }: Kept, { listener, rule = '', route = '', destination }: SessionView): Sums[] {
  const cluster = destination?.origin ?? '';
  const way = { listener, rule, route, cluster };
  const found: Sums[] = [ways.touch(wayKey(way), () => ({ way, ...noWaySums() }))];
  const endpoint = destination?.endpoint?.name;
  if (endpoint !== undefined)
    found.push(endpoints.touch(`${cluster}\n${endpoint}`, () => ({ cluster, endpoint, ...noWaySums() })));
  return found;
}

/** Bounded by the sessions that live. */
function copy<T extends Sums>({ entries }: Recent<T>): Recent<T> {
  return new Recent(
    Infinity,
    [...entries].map(([key, sums]) => [key, { ...sums, ...copySums(sums) }] as const),
  );
}
