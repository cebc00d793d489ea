/** How long requests of HTTP took that listeners have taken. */
import { jsonObject } from '../../common/json.ts';
import { Recent } from '../../common/recent.ts';
import type { Durations } from '../../common/telemetry/durations.ts';
import { failureOf } from '../core/failures.ts';
import { RequestDurations } from '../core/request-durations.ts';
import type { SessionView } from '../core/session.ts';

/** Listeners that are kept: for a new one that goes in which no request has ended for the longest. */
const MAX_LISTENERS = 2000;

export class ServerDurations {
  private readonly listeners = new Recent<RequestDurations>(MAX_LISTENERS);

  /** Adds a session that has ended, where it is a request of HTTP. */
  add(session: SessionView): void {
    const { isHttpRequest, listener, metadata, elapsed, httpStatus = 0, recorded } = session;
    if (isHttpRequest !== true) return;
    const { method, url } = jsonObject(metadata['HTTP']);
    const { scheme } = jsonObject(url);
    this.listeners.touch(listener, make).add(elapsed, method, scheme, httpStatus, failureOf(session), recorded);
  }

  *all(): Iterable<Durations> {
    for (const [listener, requests] of this.listeners.entries) yield* requests.all({ listener });
  }
}

const make = (): RequestDurations => new RequestDurations();
