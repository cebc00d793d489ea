/** All taps of the proxy: starts them within limits, notes in the log who looked at what, and ends them. */
import type { Taps as Limits, Tap as TapRequest } from '../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { SessionView } from '../core/session.ts';
import { who } from '../core/requester.ts';
import type { TapPoint, TapSums, TapView, Watcher } from '../core/tap.ts';
import type { Parties } from './session-record.ts';
import { Tap } from './tap.ts';

export interface TapListOptions {
  readonly limits: Limits;
  readonly point: TapPoint;
  readonly parties: Parties;
  readonly log: Logger;
}

interface Entry {
  readonly tap: Tap;
  readonly watcher: Watcher;
  end: () => void;
}

export class TapList {
  private readonly options: TapListOptions;
  private readonly running = new Map<number, Entry>();
  private lastId = 0;
  /** Of those that have ended. */
  private readonly past = { messages: 0, bytes: 0, dropped: 0 };

  constructor(options: TapListOptions) {
    this.options = options;
  }

  /**
   * Starts one; it ends by itself, when its reader goes, or by `stop`. Gives what is to be read. `matches`: whether a session's
   * metadata are wanted.
   *
   * @throws ProxyError `LIMIT_EXCEEDED`, `INVALID_CONFIG` where there are enough, or it is to last too long
   */
  start(
    request: TapRequest,
    matches: (session: SessionView) => boolean,
    watcher: Watcher,
  ): AsyncIterableIterator<string> {
    const { limits, point, parties, log } = this.options;
    if (this.running.size >= limits.max_taps) {
      throw new ProxyError(
        'LIMIT_EXCEEDED',
        `expected fewer than ${limits.max_taps} taps (admin.taps.max_taps), found as many`,
      );
    }
    if (request.seconds > limits.max_seconds) {
      const found = `found ${request.seconds}`;
      throw new ProxyError(
        'INVALID_CONFIG',
        `seconds: expected at most ${limits.max_seconds} (admin.taps.max_seconds), ${found}`,
      );
    }
    const tap = new Tap(request, {
      id: ++this.lastId,
      limits,
      parties,
      isCarrier: (session) => [...this.running.values()].some(({ watcher: other }) => other.session === session),
      matches,
      onStop: (stopped, reason) => this.stopped(stopped, reason),
    });
    const entry: Entry = { tap, watcher, end: () => undefined };
    this.running.set(tap.id, entry);
    log.info({ audit: true, tap: tap.id, ...who(watcher), request: { ...request } }, 'a tap was started');
    entry.end = point.listen(tap);
    return tap.records;
  }

  /** False where there is none of the number. */
  stop(id: number, reason: string): boolean {
    const entry = this.running.get(id);
    entry?.tap.stop(reason);
    return entry !== undefined;
  }

  list(): TapView[] {
    return [...this.running.values()].map(({ tap, watcher }) => {
      const { id, request, startedAt, sessions, messages, bytes, dropped } = tap;
      return { id, request, startedAt, remote: watcher.remote, sessions, messages, bytes, dropped: { ...dropped } };
    });
  }

  sums(): TapSums {
    const sums = { active: this.running.size, started: this.lastId, ...this.past };
    for (const { tap } of this.running.values()) add(sums, tap);
    return sums;
  }

  /** Somebody asked for one and has no right to it. */
  refused(watcher: Watcher, reason: string): void {
    this.options.log.warn({ audit: true, ...who(watcher), reason }, 'a tap was refused');
  }

  close(): void {
    for (const { tap } of [...this.running.values()]) tap.stop('the proxy is stopping');
  }

  private stopped(tap: Tap, reason: string): void {
    const entry = this.running.get(tap.id);
    if (!entry) return;
    this.running.delete(tap.id);
    add(this.past, tap);
    entry.end();
    const { id, sessions, messages, bytes, dropped, startedAt } = tap;
    const lost = { dropped_messages: dropped.messages, dropped_bytes: dropped.bytes };
    const sums = { sessions, messages, bytes, ...lost, duration_ms: Date.now() - startedAt };
    this.options.log.info({ audit: true, tap: id, ...who(entry.watcher), reason, ...sums }, 'a tap has ended');
  }
}

function add(sums: { messages: number; bytes: number; dropped: number }, { messages, bytes, dropped }: Tap): void {
  sums.messages += messages;
  sums.bytes += bytes;
  sums.dropped += dropped.messages;
}
