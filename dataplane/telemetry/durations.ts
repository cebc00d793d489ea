/** How long sessions lasted, by listener and, where that is wanted, by a value of their metadata: bounded whatever comes. */
import type { MetricLabel } from '../../gen/l7mp/config/v1/types.ts';
import { Histogram } from '../../common/histogram.ts';
import { getAt, parsePointer } from '../../common/json-pointer.ts';
import { Recent } from '../../common/recent.ts';
import type { Durations } from '../../common/telemetry/durations.ts';
import { REQUEST_BOUNDS } from '../core/request-durations.ts';
import type { Metadata, SessionView } from '../core/session.ts';

/** Upper bounds of the buckets, in ms: those of HTTP's conventions, and longer ones, as sessions may last for hours. */
const BOUNDS = [...REQUEST_BOUNDS, 60_000, 600_000, 3_600_000];

/** Values of a listener's label that are told apart. */
const MAX_VALUES = 50;
const OTHERS = 'others';
/** Listeners that are kept: for a new one that goes in which no session has ended for the longest. */
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
  private readonly listeners: Recent<OfListener>;

  constructor(limit = MAX_LISTENERS) {
    this.listeners = new Recent(limit);
  }

  /** Adds a session that has ended. */
  add({ id, listener, metadata, elapsed, telemetry, recorded }: SessionView): void {
    const found = this.of(listener, telemetry?.metric_label, id);
    const value = valueOf(found, metadata, telemetry?.metric_label);
    const known = found.byValue.has(value) || found.byValue.size < MAX_VALUES;
    const key = known ? value : OTHERS;
    let histogram = found.byValue.get(key);
    if (histogram === undefined) found.byValue.set(key, (histogram = new Histogram(BOUNDS)));
    histogram.add(elapsed, recorded);
  }

  *all(): Iterable<Durations> {
    for (const [listener, { label, byValue }] of this.listeners.entries) {
      for (const [value, counted] of byValue) {
        yield { attributes: { ...(label && { [label.name]: value }), listener }, counted };
      }
    }
  }

  /** Another label is another count, from the first session on that has it: those that came before may end later. */
  private of(listener: string, label: MetricLabel | undefined, id: number): OfListener {
    const make = (): OfListener => ({
      newest: id,
      label,
      pointer: parsePointer(label?.path ?? ''),
      byValue: new Map(),
    });
    const known = this.listeners.touch(listener, make);
    if (id < known.newest || isSame(known.label, label)) {
      known.newest = Math.max(known.newest, id);
      return known;
    }
    const found = make();
    this.listeners.put(listener, found);
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
