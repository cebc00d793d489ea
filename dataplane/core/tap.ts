/** Who looks on as sessions pass, and where: what the pipeline tells taps. Types only. */
import type { Tap as TapRequest } from '../../gen/l7mp/config/v1/types.ts';
import type { Flow } from './offload.ts';
import type { Requester } from './requester.ts';
import type { SessionView } from './session.ts';
import type { EndReason, Framing, Signal } from './stream.ts';

/** The point of a session: its client's side, or its destination's. */
export type TapSide = TapRequest['side'];

/** From the client towards the destination, or back. */
export type TapDirection = 'in' | 'out';

/** A session, as a tap sees it at its point. */
export interface TappedSession {
  readonly view: SessionView;
  /** How the stream at that point comes and goes; undefined where there is none (any more). */
  readonly wire: TappedWire | undefined;
}

export interface TappedWire {
  readonly framing: Framing;
  readonly reliable: boolean;
  /** Its packets, where the stream is nothing but what they carry. */
  readonly flow: Flow | undefined;
}

/** Hears what passes. Nothing that it does changes what passes, nor holds it up; it doesn't keep chunks that it is given. */
export interface TapEar {
  readonly side: TapSide;
  readonly directions: ReadonlySet<TapDirection>;
  /** Whether it wants to hear of a session. Asked once for each. */
  wants(session: SessionView): boolean;
  data(session: TappedSession, direction: TapDirection, chunk: Buffer, text: boolean): void;
  signal(session: TappedSession, direction: TapDirection, signal: Signal): void;
  /** Nothing more passes in this direction. */
  end(session: TappedSession, direction: TapDirection, reason?: EndReason): void;
  /** The kernel goes on relaying it, and why: what passes there isn't heard. */
  unheard(session: TappedSession, why: string): void;
  /** It is over; also one of which nothing was heard, as it got nowhere. */
  closed(session: TappedSession): void;
}

/** Where sessions are looked at. */
export interface TapPoint {
  /** Tells an ear of the sessions that there are, and of new ones, until the function that it gives is called. */
  listen(ear: TapEar): () => void;
}

/** Who asks for a tap: for the log. `session` is the one that carries the request, where that is of the proxy's own. */
export type Watcher = Requester;

/** All taps of a proxy since it started. */
export interface TapSums {
  /** Those that run. */
  readonly active: number;
  readonly started: number;
  readonly messages: number;
  readonly bytes: number;
  /** Messages that there was no room for. */
  readonly dropped: number;
}

/** A tap that runs. */
export interface TapView {
  readonly id: number;
  readonly request: TapRequest;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** Who reads it. */
  readonly remote: string | undefined;
  readonly sessions: number;
  readonly messages: number;
  readonly bytes: number;
  readonly dropped: { readonly messages: number; readonly bytes: number };
}
