/** What all sessions have done, by listener and by cluster: those that ended, plus those that live. */
import type { ErrorCode } from '../core/errors.ts';
import type { DirectionCounters, SessionView } from '../core/session.ts';

/** Sums of one listener or cluster. */
export interface Sums {
  opened: number;
  active: number;
  retries: number;
  readonly ingress: DirectionCounters;
  readonly egress: DirectionCounters;
  /** Ended sessions by why they ended. */
  readonly closed: Map<string, number>;
}

export interface Totals {
  readonly listeners: ReadonlyMap<string, Sums>;
  readonly clusters: ReadonlyMap<string, Sums>;
  /** Sessions that were not taken, by listener and reason. */
  readonly refused: ReadonlyMap<string, ReadonlyMap<ErrorCode, number>>;
}

export class SessionTotals {
  private readonly listeners = new Map<string, Sums>();
  private readonly clusters = new Map<string, Sums>();
  private readonly refused = new Map<string, Map<ErrorCode, number>>();

  /** Adds a session that has ended. */
  ended(session: SessionView): void {
    this.add(this.listeners, this.clusters, session, true);
  }

  refuse(listener: string, code: ErrorCode): void {
    const codes = this.refused.get(listener) ?? new Map<ErrorCode, number>();
    this.refused.set(listener, codes);
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }

  /** The sums of now, with the live sessions in. */
  with(live: Iterable<SessionView>): Totals {
    const listeners = copy(this.listeners);
    const clusters = copy(this.clusters);
    for (const session of live) if (session.status !== 'DESTROYED') this.add(listeners, clusters, session, false);
    return { listeners, clusters, refused: this.refused };
  }

  private add(listeners: Map<string, Sums>, clusters: Map<string, Sums>, session: SessionView, ended: boolean): void {
    addTo(listeners, session.listener, session, ended);
    if (session.destination) addTo(clusters, session.destination.origin, session, ended);
  }
}

function addTo(all: Map<string, Sums>, name: string, session: SessionView, ended: boolean): void {
  const sums = all.get(name) ?? newSums();
  all.set(name, sums);
  sums.opened++;
  sums.retries += session.retries;
  addCounters(sums.ingress, session.counters.ingress);
  addCounters(sums.egress, session.counters.egress);
  if (ended) sums.closed.set(session.reason ?? 'OK', (sums.closed.get(session.reason ?? 'OK') ?? 0) + 1);
  else sums.active++;
}

function addCounters(sum: DirectionCounters, { bytes, packets, dropped }: DirectionCounters): void {
  sum.bytes += bytes;
  sum.packets += packets;
  sum.dropped += dropped;
}

function newSums(): Sums {
  const none = (): DirectionCounters => ({ bytes: 0, packets: 0, dropped: 0 });
  return { opened: 0, active: 0, retries: 0, ingress: none(), egress: none(), closed: new Map() };
}

function copy(all: ReadonlyMap<string, Sums>): Map<string, Sums> {
  return new Map(
    [...all].map(([name, sums]) => [
      name,
      { ...sums, ingress: { ...sums.ingress }, egress: { ...sums.egress }, closed: new Map(sums.closed) },
    ]),
  );
}
