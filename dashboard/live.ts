/** Lists that the server keeps up to date by Server-Sent Events. Over fetch: EventSource can't show a token. */
import { ApiError, ask } from './api.ts';

interface Frame {
  readonly put: readonly (readonly [key: string, value: unknown])[];
  readonly gone: readonly string[];
  readonly omitted: number;
  readonly first: boolean;
}

/** The lists of a stream by topic. */
export class Lists {
  private readonly topics = new Map<string, Map<string, unknown>>();
  private readonly left = new Map<string, number>();

  take(topic: string, { put, gone, omitted, first }: Frame): void {
    const known = this.topics.get(topic);
    const list = first || known === undefined ? new Map<string, unknown>() : known;
    for (const key of gone) list.delete(key);
    for (const [key, value] of put) list.set(key, value);
    this.topics.set(topic, list);
    this.left.set(topic, omitted);
  }

  /** By key. Empty as long as nothing has come. */
  of<T>(topic: string): ReadonlyMap<string, T> {
    return (this.topics.get(topic) ?? new Map()) as ReadonlyMap<string, T>;
  }

  /** Whether anything has come. */
  has(topic: string): boolean {
    return this.topics.has(topic);
  }

  omitted(topic: string): number {
    return this.left.get(topic) ?? 0;
  }
}

export type LinkState = 'connecting' | 'live' | 'lost';

export interface Follower {
  readonly topics: readonly string[];
  /** Beside the topics. */
  readonly query?: Readonly<Record<string, string | readonly string[]>>;
  /** Called at most once for each frame that the browser draws. */
  readonly onChange: (lists: Lists) => void;
}

/** Told of how the connection is. */
export type OnLink = (state: LinkState, why: string) => void;

const FIRST_DELAY = 500;
const LONGEST_DELAY = 10_000;
/** The server says something each 15 s: a connection that is silent for longer is none any more, in ms. */
const LONGEST_SILENCE = 45_000;

/** Follows topics until the function is called that it gives. What was there is kept while the connection is lost. */
export function follow({ topics, query = {}, onChange }: Follower, onLink: OnLink): () => void {
  const stop = new AbortController();
  const lists = new Lists();
  let drawing = 0;
  const changed = (): void => {
    drawing ||= requestAnimationFrame(() => {
      drawing = 0;
      if (!stop.signal.aborted) onChange(lists);
    });
  };
  void keep(urlOf(topics, query), lists, changed, onLink, stop.signal);
  return () => {
    stop.abort();
    cancelAnimationFrame(drawing);
  };
}

function urlOf(topics: readonly string[], query: NonNullable<Follower['query']>): string {
  const parameters = new URLSearchParams({ topics: topics.join(',') });
  for (const [name, value] of Object.entries(query)) for (const each of [value].flat()) parameters.append(name, each);
  return `/api/v1/events?${parameters.toString()}`;
}

async function keep(
  url: string,
  lists: Lists,
  changed: () => void,
  onLink: OnLink,
  signal: AbortSignal,
): Promise<void> {
  let delay = FIRST_DELAY;
  onLink('connecting', '');
  while (!signal.aborted) {
    let why = 'the server has ended the connection';
    const begun = performance.now();
    const again = new AbortController();
    const askAgain = (reason: string, ms: number) => setTimeout(() => again.abort(new Error(reason)), ms);
    let silence = askAgain('the server says nothing', LONGEST_SILENCE);
    let failure: typeof silence | undefined;
    try {
      const response = await ask(url, { signal: AbortSignal.any([signal, again.signal]), cache: 'no-store' });
      onLink('live', '');
      const heard = (): void => {
        clearTimeout(silence);
        silence = askAgain('the server says nothing', LONGEST_SILENCE);
      };
      await read(response, heard, (name, data) => {
        if (name === 'failure') {
          // Nothing more of that topic comes on this connection; the others go on for now.
          why = (data as { readonly message: string }).message;
          onLink('lost', why);
          failure ??= askAgain(why, LONGEST_DELAY);
        } else lists.take(name, data as Frame);
        changed();
      });
    } catch (error) {
      why = error instanceof Error ? error.message : String(error);
      // To ask again would not help; but for who signs in.
      const isFinal = error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 401;
      if (isFinal && !over(signal)) {
        onLink('lost', why);
        return;
      }
    } finally {
      clearTimeout(silence);
      clearTimeout(failure);
    }
    if (over(signal)) return;
    onLink('lost', why);
    if (performance.now() - begun > LONGEST_DELAY) delay = FIRST_DELAY;
    await new Promise((resolve) => setTimeout(resolve, delay));
    delay = Math.min(LONGEST_DELAY, delay * 2);
  }
}

function over(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** Until the server ends it. `heard`: something has come, an event or not. */
async function read(
  { body }: Response,
  heard: () => void,
  onEvent: (name: string, data: unknown) => void,
): Promise<void> {
  if (body === null) return;
  let pending = '';
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    heard();
    const events = (pending + value).split('\n\n');
    pending = events.pop() ?? '';
    for (const event of events) {
      const fields = event.split('\n');
      const field = (name: string): string => fields.find((line) => line.startsWith(name))?.slice(name.length) ?? '';
      const data = field('data: ');
      if (data !== '') onEvent(field('event: '), JSON.parse(data));
    }
  }
}
