/** Makes what is held part of the configuration: changes that come together are one. */
import type {
  ConfigDelta,
  ConfigObjects,
  ConfigSink,
  ConfigSnapshot,
  HandedOut,
  Kind,
  Owned,
} from '../../config/snapshot.ts';
import { backoff } from '../../common/backoff.ts';
import { ProxyError } from '../../common/errors.ts';
import { KINDS, LIST_OF, type ListName } from '../../config/kinds.ts';
import type { Logger } from '../../common/log.ts';
import type { Inventory } from './inventory.ts';
import type { Held } from './types.ts';

export interface ApplierOptions {
  readonly inventory: Inventory;
  readonly sink: ConfigSink;
  /** How long changes are collected, in ms. */
  readonly coalesce: number;
  /** Told after each change that was made, and of what is live then: more may be held by now. */
  readonly onApplied: (live: readonly Held[]) => void;
  readonly log: Logger;
}

const RETRY = { base: 1000, cap: 30_000 };

export class Applier {
  private readonly options: ApplierOptions;
  private timer: NodeJS.Timeout | undefined;
  private retry: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private again = false;
  private failures = 0;
  private closed = false;

  constructor(options: ApplierOptions) {
    this.options = options;
  }

  /** Soon. */
  schedule(delay = this.options.coalesce): void {
    if (this.closed) return;
    if (this.running) this.again = true;
    else this.timer ??= setTimeout(() => void this.flush(), delay);
  }

  /**
   * Now. Never rejects: what stands in the way is logged, and tried again.
   *
   * @param servedBefore It was live in an earlier process, as in `ConfigDelta`.
   */
  flush(servedBefore = false): Promise<void> {
    clearTimeout(this.retry);
    clearTimeout(this.timer);
    this.timer = undefined;
    this.running ??= this.apply(servedBefore).finally(() => {
      this.running = undefined;
      if (this.again) this.schedule();
      this.again = false;
    });
    return this.running;
  }

  /** Whether what is held is live. */
  get isSettled(): boolean {
    const { inventory, sink } = this.options;
    return isEmpty(difference(sink.snapshot, inventory.desired(sink.snapshot)));
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.retry);
    clearTimeout(this.timer);
    this.timer = undefined;
    await this.running;
  }

  private async apply(servedBefore: boolean): Promise<void> {
    const { inventory, sink, onApplied, log } = this.options;
    let live: readonly Held[] = [];
    const deltaTo = (snapshot: ConfigSnapshot): ConfigDelta => {
      live = [...inventory.all()];
      return { ...difference(snapshot, inventory.desired(snapshot)), servedBefore };
    };
    try {
      if (!isEmpty(deltaTo(sink.snapshot))) await sink.apply(deltaTo, 'controlplane');
      this.failures = 0;
    } catch (error) {
      if (this.closed) return;
      const delay = backoff(++this.failures, RETRY);
      log.error(
        { error: ProxyError.from(error).message },
        "the control plane's configuration can not be made live yet",
      );
      this.retry = setTimeout(() => this.schedule(), delay).unref();
      return;
    }
    if (!this.closed) onApplied(live);
  }
}

/** What leads from a snapshot to what is desired of the control plane's. */
function difference(
  snapshot: ConfigSnapshot,
  { objects, handedOut }: { readonly objects: ConfigObjects; readonly handedOut: HandedOut },
): ConfigDelta {
  const remove: { readonly kind: Kind; readonly name: string }[] = [];
  const upsert: Partial<Record<ListName, ReadonlyMap<string, Owned<object>>>> = {};
  for (const kind of KINDS) {
    const list = LIST_OF[kind];
    const wanted: ReadonlyMap<string, Owned<object>> = objects[list];
    const there: ReadonlyMap<string, Owned<object>> = snapshot[list];
    for (const [name, { source }] of there) {
      if (source === 'controlplane' && !wanted.has(name)) remove.push({ kind, name });
    }
    const changed = [...wanted].filter(([name, object]) => there.get(name) !== object);
    if (changed.length > 0) upsert[list] = new Map(changed);
  }
  const before = snapshot.handedOut;
  const same = equal(before.assignments, handedOut.assignments) && equal(before.secrets, handedOut.secrets);
  return { upsert: upsert as Partial<ConfigObjects>, remove, ...(!same && { handedOut }) };
}

function isEmpty({ upsert, remove, handedOut }: ConfigDelta): boolean {
  return Object.keys(upsert).length === 0 && remove.length === 0 && handedOut === undefined;
}

function equal(one: ReadonlyMap<string, object>, other: ReadonlyMap<string, object>): boolean {
  return one.size === other.size && [...one].every(([name, value]) => other.get(name) === value);
}
