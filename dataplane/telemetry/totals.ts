/** What all sessions have done, by listener and by cluster: those that ended, plus those that live. */
import type { ErrorCode } from '../../common/errors.ts';
import { Recent } from '../../common/recent.ts';
import type { SessionView } from '../core/session.ts';
import { addSession, copySums, living, noSums, type SessionSums } from '../core/session-sums.ts';

/** Sums of one listener or cluster. */
export interface Sums extends SessionSums {
  retries: number;
  /** Ended sessions by why they ended. */
  readonly closed: Map<string, number>;
  /** Answers that HTTP clients got, by class of status: at 5 those of 500 and above. */
  readonly httpResponses: number[];
  /** Of those the ones of gRPC that have a status, by that. */
  readonly grpcResponses: Map<number, number>;
}

export interface Totals {
  readonly listeners: ReadonlyMap<string, Sums>;
  readonly clusters: ReadonlyMap<string, Sums>;
  /** Sessions that were not taken, by listener and reason. */
  readonly refused: ReadonlyMap<string, ReadonlyMap<ErrorCode, number>>;
}

/**
 * Listeners, and clusters, whose sums are kept: beyond, the one goes in which no session has ended for the longest.
 * Listeners and clusters may come and go for years.
 */
const MAX_NAMES = 2000;

export class SessionTotals {
  private readonly listeners: Recent<Sums>;
  private readonly clusters: Recent<Sums>;
  private readonly refused: Recent<Map<ErrorCode, number>>;

  constructor(limit = MAX_NAMES) {
    this.listeners = new Recent(limit);
    this.clusters = new Recent(limit);
    this.refused = new Recent(limit);
  }

  /** Adds a session that has ended. */
  ended(session: SessionView): void {
    const { listener, destination } = session;
    addEnded(this.listeners.touch(listener, newSums), session);
    if (destination) addEnded(this.clusters.touch(destination.origin, newSums), session);
  }

  /** Adds a session that was not taken. */
  refuse(listener: string, code: ErrorCode): void {
    const codes = this.refused.touch(listener, () => new Map<ErrorCode, number>());
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }

  /** The sums of now, with the live sessions in. */
  with(live: Iterable<SessionView>): Totals {
    const listeners = copy(this.listeners.entries);
    const clusters = copy(this.clusters.entries);
    for (const session of living(live)) {
      addLive(listeners, session.listener, session);
      if (session.destination) addLive(clusters, session.destination.origin, session);
    }
    return { listeners, clusters, refused: this.refused.entries };
  }
}

function addEnded(sums: Sums, session: SessionView): void {
  const reason = session.reason ?? 'OK';
  add(sums, session);
  sums.closed.set(reason, (sums.closed.get(reason) ?? 0) + 1);
}

function addLive(all: Map<string, Sums>, name: string, session: SessionView): void {
  const sums = all.get(name) ?? newSums();
  all.set(name, sums);
  add(sums, session);
  sums.active++;
}

function add(sums: Sums, session: SessionView): void {
  const { retries, httpStatus, grpcStatus } = session;
  addSession(sums, session);
  sums.retries += retries;
  if (httpStatus === undefined) return;
  const statusClass = Math.min(Math.floor(httpStatus / 100), 5);
  sums.httpResponses[statusClass] = (sums.httpResponses[statusClass] ?? 0) + 1;
  if (grpcStatus !== undefined) sums.grpcResponses.set(grpcStatus, (sums.grpcResponses.get(grpcStatus) ?? 0) + 1);
}

function newSums(): Sums {
  const answers = { httpResponses: [0, 0, 0, 0, 0, 0], grpcResponses: new Map<number, number>() };
  return { ...noSums(), retries: 0, closed: new Map(), ...answers };
}

function copy(all: ReadonlyMap<string, Sums>): Map<string, Sums> {
  return new Map(
    [...all].map(([name, sums]) => [
      name,
      {
        ...copySums(sums),
        retries: sums.retries,
        closed: new Map(sums.closed),
        httpResponses: [...sums.httpResponses],
        grpcResponses: new Map(sums.grpcResponses),
      },
    ]),
  );
}
