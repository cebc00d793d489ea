/** Who looks on at which sessions: they are told of those that there are, of new ones, and of what passes there. */
import type { KernelPath, OffloadableSession } from '../core/kernel-path.ts';
import type { OffloadRefusal } from '../core/offload.ts';
import type { SessionView } from '../core/session.ts';
import type { Stream } from '../core/stream.ts';
import type { TapDirection, TapEar, TappedSession, TappedWire, TapPoint, TapSide } from '../core/tap.ts';
import type { Link } from './link.ts';
import { type Onlooker, watchReader, watchWriter } from './tapped-link.ts';

/** Nobody sees what the kernel relays. */
export const TAPPED: OffloadRefusal = { reason: 'tap', message: 'expected nobody to look at it, found a tap' };

/** One side of a session. */
export interface TappableSide {
  /** What is read of its stream goes here. */
  readonly read: Link;
  /** What its stream is written comes from here. */
  readonly written: Link;
  readonly stream: Stream | undefined;
}

export interface TappableSession extends SessionView, OffloadableSession {
  readonly id: number;
  readonly name: string;
  readonly listener: string;
  readonly rate: number;
  taps: number;
  /** Undefined: that side isn't there yet. */
  sideOf(side: TapSide): TappableSide | undefined;
}

/** Ends looking at one session; undefined where it isn't looked at. */
type Stop = (() => void) | undefined;

export class Taps implements TapPoint {
  private readonly live: () => Iterable<TappableSession>;
  private readonly kernel: KernelPath;
  /** What each has heard of. */
  private readonly ears = new Map<TapEar, Map<TappableSession, Stop>>();

  constructor(live: () => Iterable<TappableSession>, kernel: KernelPath) {
    this.live = live;
    this.kernel = kernel;
  }

  listen(ear: TapEar): () => void {
    const known = new Map<TappableSession, Stop>();
    this.ears.set(ear, known);
    for (const session of [...this.live()]) if (session.sideOf(ear.side)) this.offer(ear, known, session);
    return () => {
      this.ears.delete(ear);
      for (const stop of known.values()) stop?.();
      known.clear();
    };
  }

  /** A side of a new session is there, and nothing has passed yet. */
  reached(side: TapSide, session: TappableSession): void {
    for (const [ear, known] of this.ears) if (ear.side === side) this.offer(ear, known, session);
  }

  /** It is over; some got nowhere, and none of their sides was ever there. */
  ended(session: TappableSession): void {
    for (const [ear, known] of [...this.ears]) {
      const isKnown = known.has(session);
      const stop = known.get(session);
      known.delete(session);
      if (!stop && (isKnown || !ear.wants(session))) continue;
      ear.closed(new Tapped(session, ear.side));
      stop?.();
    }
  }

  private offer(ear: TapEar, known: Map<TappableSession, Stop>, session: TappableSession): void {
    if (known.has(session)) return;
    known.set(session, ear.wants(session) ? this.attach(ear, session) : undefined);
  }

  private attach(ear: TapEar, session: TappableSession): Stop {
    const place = session.sideOf(ear.side);
    if (!place) return undefined;
    const tapped = new Tapped(session, ear.side);
    const [read, written] = ear.side === 'client' ? (['in', 'out'] as const) : (['out', 'in'] as const);
    const stops = [
      ...(ear.directions.has(read) ? [watchReader(place.read, onlooker(ear, tapped, read))] : []),
      ...(ear.directions.has(written) ? [watchWriter(place.written, onlooker(ear, tapped, written))] : []),
    ];
    session.taps++;
    void this.kernel.recall(session, TAPPED)?.then((refusal) => {
      if (refusal && this.ears.get(ear)?.has(session)) ear.unheard(tapped, refusal.message);
    });
    return () => {
      session.taps--;
      for (const stop of stops) stop();
    };
  }
}

function onlooker(ear: TapEar, session: TappedSession, direction: TapDirection): Onlooker {
  return {
    data: (chunk, text) => ear.data(session, direction, chunk, text),
    signal: (signal) => ear.signal(session, direction, signal),
    end: (reason) => ear.end(session, direction, reason),
  };
}

class Tapped implements TappedSession {
  readonly view: TappableSession;
  private readonly side: TapSide;

  constructor(view: TappableSession, side: TapSide) {
    this.view = view;
    this.side = side;
  }

  get wire(): TappedWire | undefined {
    const stream = this.view.sideOf(this.side)?.stream;
    if (!stream) return undefined;
    const { framing, reliable } = stream;
    const flow = stream.flow?.();
    return { framing, reliable, flow: typeof flow === 'object' ? flow : undefined };
  }
}
