/** How long sessions lasted, by listener and, where that is wanted, by a value of their metadata: bounded whatever comes. */
import type { MetricLabel } from '../../gen/l7mp/config/v1/types.ts';
import { Histogram } from '../../common/histogram.ts';
import { getAt, parsePointer } from '../../common/json-pointer.ts';
import type { Durations } from '../../common/telemetry/durations.ts';
import type { Metadata, SessionView } from '../core/session.ts';

/** Upper bounds of the buckets, in ms: those of HTTP's conventions, and longer ones, as sessions may last for hours. */
const BOUNDS = [5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000, 60_000, 600_000, 3_600_000];

/** Values of a listener's label that are told apart. */
const MAX_VALUES = 50;
const OTHERS = 'others';
/** Listeners that are kept: the oldest goes for a new one. */
const MAX_LISTENERS = 2000;
const MAX_LENGTH = 128;

interface OfListener {
  /** The youngest session that was counted. */
  newest: number;
  readonly label: MetricLabel | undefined;
  readonly pointer: readonly string[];
  readonly byValue: Map<string, Histogram>;
}

export class SessionDurations {
  private readonly listeners = new Map<string, OfListener>();

  /** Adds a session that has ended. */
  add({ id, listener, metadata, startedAt, endedAt = startedAt, telemetry, recorded }: SessionView): void {
    const found = this.of(listener, telemetry?.metric_label, id);
    const value = valueOf(found, metadata, telemetry?.metric_label);
    const known = found.byValue.has(value) || found.byValue.size < MAX_VALUES;
    const key = known ? value : OTHERS;
    let histogram = found.byValue.get(key);
    if (histogram === undefined) found.byValue.set(key, (histogram = new Histogram(BOUNDS)));
    histogram.add(Math.max(0, endedAt - startedAt), recorded); // the clock may have stepped back
  }

  *all(): Iterable<Durations> {
    for (const [listener, { label, byValue }] of this.listeners) {
      for (const [value, counted] of byValue) {
        yield { attributes: { ...(label && { [label.name]: value }), listener }, counted };
      }
    }
  }

  /** Another label is another count, from the first session on that has it: those that came before may end later. */
  private of(listener: string, label: MetricLabel | undefined, id: number): OfListener {
    const known = this.listeners.get(listener);
    if (known && (id < known.newest || isSame(known.label, label))) {
      known.newest = Math.max(known.newest, id);
      return known;
    }
    const pointer = parsePointer(label?.path ?? '');
    const found = { newest: id, label, pointer, byValue: new Map<string, Histogram>() };
    this.listeners.delete(listener);
    this.listeners.set(listener, found);
    const [oldest = ''] = this.listeners.keys();
    if (this.listeners.size > MAX_LISTENERS) this.listeners.delete(oldest);
    return found;
  }
}

function isSame(one: MetricLabel | undefined, other: MetricLabel | undefined): boolean {
  return one?.name === other?.name && one?.path === other?.path;
}

/** Of a session that has an earlier label, nobody asks for the value of this one. */
function valueOf({ label, pointer }: OfListener, metadata: Metadata, own: MetricLabel | undefined): string {
  if (label === undefined) return '';
  return isSame(label, own) ? textOf(getAt(metadata, pointer)) : OTHERS;
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  return (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, MAX_LENGTH);
}
