/** Server-Sent Events (WHATWG HTML, 9.2) of lists that change: all of a list once, then what changed of it. */
import { createHash } from 'node:crypto';
import { isOver, pause } from '../signal.ts';

/** What a topic holds now. */
export interface Listing {
  /** By key: one that is the same as before is not sent again. */
  readonly items: Iterable<readonly [key: string, value: object]>;
  /** How many there are beyond these. Default: 0. */
  readonly omitted?: number;
}

export type Topic = () => Listing | Promise<Listing>;

/** The data of an event, whose name is the topic's. */
export interface Frame {
  /** What is new, or another than before. */
  readonly put: readonly (readonly [key: string, value: object])[];
  /** Keys of what is gone. */
  readonly gone: readonly string[];
  readonly omitted: number;
  /** The first of its stream: nothing that was there before counts. */
  readonly first: boolean;
}

export interface EventsOptions {
  /** Between two looks, in ms. */
  readonly intervalMs: number;
  readonly signal: AbortSignal;
}

/** The most items of a topic. */
export const MAX_ITEMS = 5000;
/** A comment is sent so often, in ms, where nothing else is: what is in between ends connections that are silent. */
const KEEPALIVE_MS = 15_000;

/**
 * The text of a stream. Who takes it slowly gets fewer looks, not old ones: a look is made when the one before it was taken.
 * A topic that fails is told of by an event `failure`, and ends; the others go on.
 */
export async function* eventsOf(topics: ReadonlyMap<string, Topic>, options: EventsOptions): AsyncGenerator<string> {
  const { intervalMs, signal } = options;
  const watched = [...topics].map(([name, read]) => new Watched(name, read));
  let last = performance.now();
  while (!isOver(signal)) {
    let text = '';
    for (const each of watched) text += await each.look();
    if (isOver(signal)) return;
    if (text === '' && performance.now() - last >= KEEPALIVE_MS) text = ': \n\n';
    if (text !== '') {
      yield text;
      last = performance.now();
    }
    await pause(intervalMs, signal);
  }
}

class Watched {
  private readonly name: string;
  private readonly read: Topic;
  private readonly sent = new Map<string, string>();
  private first = true;
  private omitted = 0;
  private failed = false;

  constructor(name: string, read: Topic) {
    this.name = name;
    this.read = read;
  }

  /** What changed since the last one, as an event; nothing where nothing did. */
  async look(): Promise<string> {
    if (this.failed) return '';
    let listing: Listing;
    try {
      listing = await this.read();
    } catch (error) {
      this.failed = true;
      return event('failure', { topic: this.name, message: error instanceof Error ? error.message : String(error) });
    }
    const { put, gone, omitted } = this.changes(listing);
    const { first } = this;
    if (!first && put.length === 0 && gone.length === 0 && omitted === this.omitted) return '';
    this.first = false;
    this.omitted = omitted;
    return event(this.name, { put, gone, omitted, first } satisfies Frame);
  }

  private changes({ items, omitted = 0 }: Listing): Omit<Frame, 'first'> {
    const put: (readonly [string, object])[] = [];
    const before = new Set(this.sent.keys());
    let count = 0;
    for (const [key, value] of items) {
      if (++count > MAX_ITEMS) continue;
      before.delete(key);
      const digest = createHash('sha256').update(JSON.stringify(value)).digest('base64');
      if (this.sent.get(key) === digest) continue;
      this.sent.set(key, digest);
      put.push([key, value]);
    }
    for (const key of before) this.sent.delete(key);
    return { put, gone: [...before], omitted: omitted + Math.max(0, count - MAX_ITEMS) };
  }
}

/** JSON has no line ends of its own. */
function event(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** What answers with such a stream says of it. */
export const EVENT_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
} as const;
