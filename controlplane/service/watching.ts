/** The streams of the configuration service: changes as they come, and how far proxies are. */
import type {
  ObjectKey,
  ObjectStatus,
  WaitAppliedRequest,
  WaitAppliedResponse,
  WatchRequest,
  WatchResponse,
} from '../../gen/messages.ts';
import { type Call, RpcError, STATUS } from '../core/rpc.ts';
import { canonicalJson, shortHash } from '../model/canonical.ts';
import { type ConfigObject, idOf } from '../model/object.ts';
import type { Model } from './model.ts';
import { showObject } from './showing.ts';

/** Between two looks at statuses, in ms. */
const STATUS_PACE = 250;
const MAX_PENDING = 20;

/** What is there, then each change. A watcher that is slow gets the last of several changes of an object. */
export async function* watch(model: Model, request: WatchRequest, { signal }: Call): AsyncIterable<WatchResponse> {
  const { kinds, status } = request;
  const wanted = (id: string): boolean => kinds.length === 0 || kinds.some((kind) => id.startsWith(`${kind}/`));
  // From before the first look on, so that nothing is lost in between.
  const feed = model.feeds.subscribe(signal);
  const statuses = status ? new StatusWatch(model, signal) : undefined;
  const sent = new Map<string, Sent>();
  const put = (object: ConfigObject, type = 'put'): WatchResponse => {
    const shown = model.statusOf(object);
    sent.set(object.id, { key: object.key, digest: digest(object, shown) });
    return { type, object: showObject(object, shown), revision: model.mirror.revision };
  };
  try {
    for (const object of [...model.objects()]) if (wanted(object.id)) yield put(model.get(object.id) ?? object);
    yield { type: 'synced', revision: model.mirror.revision };
    const news = new Queue<ReadonlySet<string> | typeof TICK | undefined>();
    news.expect(feed.next());
    if (statuses) news.expect(statuses.next());
    for (;;) {
      const ids = await news.next();
      if (ids === undefined) return;
      if (ids === TICK) {
        if (statuses) news.expect(statuses.next());
        for (const object of [...model.objects()]) {
          const before = sent.get(object.id);
          if (before === undefined || before.digest === digest(object, model.statusOf(object))) continue;
          yield put(object, 'status');
        }
        continue;
      }
      news.expect(feed.next());
      for (const id of ids) {
        if (!wanted(id)) continue;
        const object = model.get(id);
        const before = sent.get(id);
        if (object) yield put(object);
        else if (before) {
          sent.delete(id);
          const gone = { key: before.key, labels: {}, version: '', revision: 0, source: '' };
          yield { type: 'delete', object: gone, revision: model.mirror.revision };
        }
      }
    }
  } finally {
    feed.close();
    statuses?.close();
  }
}

/**
 * What several promises give, as it comes. Each is heard once: a race that is run again and again with one that is long in coming
 * would grow with every run.
 */
class Queue<T> {
  private readonly come: T[] = [];
  private wake = (): void => undefined;

  /** A promise that never rejects. */
  expect(promise: Promise<T>): void {
    void promise.then((value) => {
      this.come.push(value);
      this.wake();
    });
  }

  /** The first that has not been given yet. */
  async next(): Promise<T> {
    while (this.come.length === 0) await new Promise<void>((resolve) => (this.wake = resolve));
    return this.come.shift() as T;
  }
}

interface Sent {
  readonly key: ObjectKey;
  readonly digest: string;
}

function digest({ version, revision }: ConfigObject, status: ObjectStatus): string {
  return shortHash(canonicalJson([version, revision, status]));
}

const TICK = Symbol('statuses may have changed');

/** Gathers changes of statuses for a moment. */
class StatusWatch {
  private readonly signal: AbortSignal;
  private readonly end: () => void;
  private changed = false;
  private wake: (() => void) | undefined;
  private readonly onAbort = (): void => this.wake?.();

  constructor(model: Model, signal: AbortSignal) {
    this.signal = signal;
    signal.addEventListener('abort', this.onAbort);
    this.end = model.onStatus(() => {
      this.changed = true;
      this.wake?.();
    });
  }

  /** Undefined: it is over. */
  async next(): Promise<typeof TICK | undefined> {
    const { signal } = this;
    const until = performance.now() + STATUS_PACE;
    for (let left = STATUS_PACE; left > 0 && !signal.aborted; left = until - performance.now()) await this.woken(left);
    while (!this.changed && !signal.aborted) await this.woken();
    this.changed = false;
    return signal.aborted ? undefined : TICK;
  }

  close(): void {
    this.end();
    this.signal.removeEventListener('abort', this.onAbort);
    this.wake?.();
  }

  private woken(ms?: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms).unref();
      this.wake = (): void => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Tells how far proxies are, each time that it changed, until all are there. */
export async function* waitApplied(
  model: Model,
  request: WaitAppliedRequest,
  { signal }: Call,
): AsyncIterable<WaitAppliedResponse> {
  const { keys, condition, revision } = request;
  if (!['', 'acked', 'serving'].includes(condition)) {
    const message = `condition: expected acked or serving, found ${JSON.stringify(condition)}`;
    throw new RpcError(STATUS.INVALID_ARGUMENT, message);
  }
  const target = revision === 0 ? model.mirror.changedAt : revision;
  await model.mirror.reached(target, signal);
  const statuses = new StatusWatch(model, signal);
  try {
    let last = '';
    for (;;) {
      // Also while it is waited for: somebody may delete it.
      const missing = keys.filter((key) => model.get(idOf(key)) === undefined).map(idOf);
      if (missing.length > 0) throw new RpcError(STATUS.NOT_FOUND, `expected objects, found no ${missing.join(', ')}`);
      const progress = progressOf(model, request, target);
      const text = shortHash(canonicalJson(progress));
      if (progress.done || text !== last) yield progress;
      if (progress.done) return;
      last = text;
      if ((await statuses.next()) === undefined) return;
    }
  } finally {
    statuses.close();
  }
}

function progressOf(model: Model, request: WaitAppliedRequest, target: number): WaitAppliedResponse {
  const { keys, condition, min_proxies: least } = request;
  const objects = keys.length === 0 ? [...model.objects()] : keys.flatMap((key) => model.get(idOf(key)) ?? []);
  let [selected, reached] = [0, 0];
  const pending: WaitAppliedResponse['pending'][number][] = [];
  const behind = model.behind(target);
  let there = model.applied() >= target && behind.length === 0 && (keys.length > 0 || model.countProxies() >= least);
  for (const object of objects) {
    const status = model.statusOf(object);
    const count = condition === 'acked' ? status.acked : status.serving;
    selected += status.selected;
    reached += count;
    if (status.accepted && count >= status.selected && (keys.length === 0 || status.selected >= least)) continue;
    there = false;
    if (pending.length < MAX_PENDING) pending.push(showObject(object, status));
  }
  // They are there where nobody is to have them: but for those that have yet to come back.
  const done = there && !(selected === 0 && objects.length > 0 && model.awaitsProxies());
  return { done, selected, reached, pending, behind };
}
