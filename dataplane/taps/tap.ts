/** One tap: what passes the sessions that it looks at, as records for its reader, until it ends. */
import { isUtf8 } from 'node:buffer';
import type { Taps as Limits, Tap as TapRequest } from '../../gen/l7mp/config/v1/types.ts';
import type { SessionView } from '../core/session.ts';
import type { EndReason, Signal } from '../core/stream.ts';
import type { TapDirection, TapEar, TappedSession, TapSide } from '../core/tap.ts';
import { TokenBucket } from '../../common/token-bucket.ts';
import { RecordQueue } from './record-queue.ts';
import type { DataRecord, TapRecord } from './records.ts';
import { createRedaction, type Redaction } from './redaction.ts';
import { type Parties, sessionRecord } from './session-record.ts';

export interface TapOptions {
  readonly id: number;
  readonly limits: Limits;
  readonly parties: Parties;
  /** Whether sessions of this name are looked at by nobody: they carry what taps say. */
  readonly isCarrier: (session: string) => boolean;
  /** Whether a session's metadata are wanted. */
  readonly matches: (session: SessionView) => boolean;
  /** It is over, and why. Called once. */
  readonly onStop: (tap: Tap, reason: string) => void;
}

/** What is kept of a session. */
interface Known {
  announced: boolean;
  /** Bytes that have passed. */
  in: number;
  out: number;
}

const DIRECTIONS = { in: ['in'], out: ['out'], both: ['in', 'out'] } as const;

export class Tap implements TapEar {
  readonly id: number;
  readonly request: TapRequest;
  readonly side: TapSide;
  readonly directions: ReadonlySet<TapDirection>;
  readonly startedAt: number;
  /** What its reader reads. */
  readonly records: RecordQueue;
  sessions = 0;
  messages = 0;
  bytes = 0;
  readonly dropped = { messages: 0, bytes: 0 };
  private readonly options: TapOptions;
  private readonly redaction: Redaction;
  private readonly rate: TokenBucket | undefined;
  private readonly known = new Map<number, Known>();
  /** Of what was dropped, that which its reader wasn't told of. */
  private untold = { messages: 0, bytes: 0 };
  private readonly timer: NodeJS.Timeout;
  private stopped = false;
  /** What is to be added to the clock that never steps. */
  private readonly epoch = Date.now() - performance.now();

  constructor(request: TapRequest, options: TapOptions) {
    const { queue_bytes, bytes_per_second } = options.limits;
    this.id = options.id;
    this.request = request;
    this.side = request.side;
    this.directions = new Set(DIRECTIONS[request.direction]);
    this.options = options;
    this.redaction = createRedaction(request);
    this.rate = bytes_per_second > 0 ? new TokenBucket(bytes_per_second) : undefined;
    this.records = new RecordQueue(queue_bytes, () => this.stop('its reader has gone'));
    this.startedAt = Date.now();
    this.timer = setTimeout(() => this.stop(`${request.seconds} s are over`), request.seconds * 1000);
    this.push({ type: 'start', time: this.now(), tap: this.id, request });
  }

  wants(session: SessionView): boolean {
    const { listener, session: name } = this.request;
    const isMeant = name === undefined ? session.listener === listener : session.name === name;
    return isMeant && !this.options.isCarrier(session.name) && this.options.matches(session);
  }

  data(session: TappedSession, direction: TapDirection, chunk: Buffer, text: boolean): void {
    if (this.stopped) return;
    const known = this.knownOf(session);
    const shown = this.redaction.payload(chunk);
    const { length } = chunk;
    const offset = known[direction];
    known[direction] += length;
    const cut = shown?.subarray(0, this.request.bytes);
    const time = this.now();
    if (this.rate?.take(cut?.length ?? 0) === false || !this.announce(session, known, time)) {
      this.drop(length);
      return;
    }
    const record: DataRecord = {
      type: 'data',
      time,
      id: session.view.id,
      direction,
      offset,
      length,
      ...(cut && payloadOf(cut)),
      ...(text && { text: true }),
      ...(shown !== chunk && { redacted: true }),
    };
    if (!this.push(record)) {
      this.drop(length);
      return;
    }
    this.messages++;
    this.bytes += length;
    if (this.messages === this.request.count) this.stop(`${this.messages} messages have passed`);
  }

  signal(session: TappedSession, direction: TapDirection, signal: Signal): void {
    const headers = this.redaction.headers(signal.headers);
    const { id } = session.view;
    if (signal.type === 'trailers') {
      this.tell(session, { type: 'trailers', time: this.now(), id, direction, headers });
      return;
    }
    const { status, reason, tunnel } = signal;
    this.tell(session, {
      type: 'head',
      time: this.now(),
      id,
      direction,
      status,
      reason,
      headers,
      tunnel: tunnel || undefined,
    });
  }

  end(session: TappedSession, direction: TapDirection, reason?: EndReason): void {
    this.tell(session, { type: 'end', time: this.now(), id: session.view.id, direction, ...reason });
  }

  unheard(session: TappedSession, why: string): void {
    const message = `the kernel goes on relaying it, so that what passes there is not seen: ${why}`;
    this.tell(session, { type: 'note', time: this.now(), id: session.view.id, message });
  }

  closed(session: TappedSession): void {
    const { id, reason = 'OK', httpStatus: status, destination } = session.view;
    const to = { cluster: destination?.origin, endpoint: destination?.endpoint?.name };
    this.tell(session, { type: 'close', time: this.now(), id, reason, status, ...to });
    this.known.delete(id);
    if (this.request.session !== undefined) this.stop('its session has ended');
  }

  /** Ends it: its reader is told the rest. */
  stop(reason: string): void {
    if (this.stopped) return;
    this.stopped = true;
    clearTimeout(this.timer);
    this.options.onStop(this, reason);
    this.known.clear();
    const { sessions, messages, bytes, dropped } = this;
    this.records.end(toLine({ type: 'stop', time: this.now(), reason, sessions, messages, bytes, dropped }));
  }

  private now(): number {
    return Math.round((this.epoch + performance.now()) * 1000) / 1000;
  }

  private knownOf({ view }: TappedSession): Known {
    let known = this.known.get(view.id);
    if (!known) this.known.set(view.id, (known = { announced: false, in: 0, out: 0 }));
    return known;
  }

  /** Whether its reader has been told of the session. */
  private announce(session: TappedSession, known: Known, time: number): boolean {
    if (known.announced) return true;
    const { metadata, startedAt } = session.view;
    const joined = startedAt < this.startedAt;
    const shown = { metadata: this.redaction.metadata(metadata), time, joined };
    known.announced = this.push(sessionRecord(session, this.side, this.options.parties, shown));
    if (known.announced) this.sessions++;
    return known.announced;
  }

  private tell(session: TappedSession, record: TapRecord): void {
    if (this.stopped) return;
    if (!this.announce(session, this.knownOf(session), record.time) || !this.push(record)) this.drop(0);
  }

  /** What was dropped before it is told with it, or not yet. */
  private push(record: TapRecord): boolean {
    const { messages, bytes } = this.untold;
    const before = messages > 0 ? toLine({ type: 'dropped', time: record.time, messages, bytes }) : '';
    const isTaken = this.records.push(before + toLine(record));
    if (isTaken && messages > 0) this.untold = { messages: 0, bytes: 0 };
    return isTaken;
  }

  private drop(length: number): void {
    for (const sum of [this.dropped, this.untold]) {
      sum.messages++;
      sum.bytes += length;
    }
  }
}

function payloadOf(bytes: Buffer): Pick<DataRecord, 'payload' | 'encoding'> {
  return isUtf8(bytes)
    ? { payload: bytes.toString('utf8') }
    : { payload: bytes.toString('base64'), encoding: 'base64' };
}

function toLine(record: TapRecord): string {
  return `${JSON.stringify(record)}\n`;
}
