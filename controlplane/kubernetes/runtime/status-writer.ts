/** Writes statuses, while it leads: what is there already is not written, and what others wrote stays. */
import type { Logger } from '../../../common/log.ts';
import type { WorkFigures } from '../../core/kubernetes-figures.ts';
import { canonicalJson } from '../../model/canonical.ts';
import type { KubeObject, KubeRef } from '../api/object.ts';
import type { KubeReader } from '../api/reader.ts';
import type { KubeClient } from './client.ts';
import { isConflict, isNotFound } from './errors.ts';
import type { KindName } from './indexer.ts';
import type { ResourceType } from '../api/addressing.ts';
import { clearedStatus, hasOurs, mergedStatus, mergePatchOf, newestGeneration, type Status } from './status-merge.ts';
import { isOlder } from './versions.ts';
import { WorkQueue } from './work-queue.ts';

export interface DesiredStatus {
  readonly ref: KubeRef;
  /** Conditions without `lastTransitionTime`; of `parents` and `ancestors`, our entries only. */
  readonly status: Status;
  /** Proxies that it waits for may be on their way back: see `mergedStatus`. */
  readonly isProvisional?: boolean;
}

export interface StatusWriterOptions {
  readonly client: KubeClient;
  readonly reader: KubeReader;
  /** Of all kinds whose statuses are written. */
  readonly types: ReadonlyMap<KindName, ResourceType>;
  /** Kinds whose status is ours alone, so that one that nobody asked for is cleared whoever wrote it. */
  readonly owned: ReadonlySet<KindName>;
  /** By which our entries of shared lists are known. */
  readonly controllerName: string;
  readonly leads: () => boolean;
  readonly log: Logger;
  /** 50 when absent. */
  readonly perSecond?: number;
  /** Written at once. 8 when absent. */
  readonly concurrency?: number;
}

export interface StatusCounters {
  written: number;
  conflicts: number;
  errors: number;
}

/** What was written last: the watch may tell of it later than somebody asks. */
interface Written {
  readonly desired: string;
  readonly isProvisional: boolean | undefined;
  readonly version: string | undefined;
  /** As the server has it, which may fill in defaults. */
  readonly status: string;
}

/** Before a key waits for its next turn. */
const MAX_CONFLICTS = 5;

export class StatusWriter {
  readonly counters: StatusCounters = { written: 0, conflicts: 0, errors: 0 };
  readonly #options: StatusWriterOptions;
  readonly #queue: WorkQueue;
  #desired: ReadonlyMap<string, DesiredStatus> = new Map();
  /** Without a status of ours any more, and not cleared yet. */
  readonly #stale = new Map<string, KubeRef>();
  readonly #written = new Map<string, Written>();

  constructor(options: StatusWriterOptions) {
    this.#options = options;
    const { perSecond = 50, concurrency = 8, log } = options;
    this.#queue = new WorkQueue({
      work: (key, signal) => this.#work(key, signal),
      onFailure: (key, error, failures) => {
        this.counters.errors += 1;
        if (failures === 1)
          log.warn({ object: key, error: (error as Error).message }, 'a status was not written: it is tried again');
      },
      perSecond,
      concurrency,
    });
  }

  get figures(): WorkFigures {
    return this.#queue;
  }

  /** These statuses, and of all other objects none. Nothing is done where all is so; call it with every change. */
  set(statuses: Iterable<DesiredStatus>): void {
    const before = this.#desired;
    this.#desired = new Map(Array.from(statuses, (desired) => [keyOfRef(desired.ref), desired]));
    for (const [key, { ref }] of before) if (!this.#desired.has(key)) this.#stale.set(key, ref);
    this.refresh();
  }

  /** Looks at all of them again: for when it begins to lead. */
  refresh(): void {
    if (!this.#options.leads()) return;
    const { reader } = this.#options;
    for (const [key, { ref }] of this.#desired) {
      this.#stale.delete(key);
      const object = reader.get(ref.kind as KindName, ref.namespace, ref.name);
      if (object && this.#isDue(key, object)) this.#queue.add(key);
    }
    this.#findStale();
    for (const key of this.#stale.keys()) this.#queue.add(key);
  }

  /** Resolves once nothing waits to be written. */
  idle(): Promise<void> {
    return this.#queue.idle();
  }

  async close(): Promise<void> {
    await this.#queue.close();
  }

  /** Also what an earlier leader, or an earlier run, left. */
  #findStale(): void {
    const { reader, types, owned, controllerName } = this.#options;
    for (const [kind, type] of types) {
      if (!reader.has(kind)) continue;
      for (const { metadata, status } of reader.list(kind) as Iterable<KubeObject<unknown, Status>>) {
        if (!status || !(owned.has(kind) ? Object.keys(status).length > 0 : hasOurs(status, controllerName))) continue;
        const ref = { kind: type.kind, namespace: metadata.namespace ?? '', name: metadata.name };
        const key = keyOfRef(ref);
        if (!this.#desired.has(key)) this.#stale.set(key, ref);
      }
    }
  }

  async #work(key: string, signal: AbortSignal): Promise<void> {
    const { client, reader, types, leads } = this.#options;
    const ref = (this.#desired.get(key) ?? { ref: this.#stale.get(key) }).ref;
    const type = ref && types.get(ref.kind as KindName);
    if (!ref || !type) return;
    let object = reader.get(ref.kind as KindName, ref.namespace, ref.name) as KubeObject | undefined;
    try {
      if (object && isOlder(object.metadata.resourceVersion, this.#written.get(key)?.version)) {
        object = await client.get(type, ref, { signal });
      }
      for (let conflicts = 0; object !== undefined;) {
        // What is asked for may change while it is written.
        const desired = this.#desired.get(key);
        const next = this.#next(key, object);
        const patch = next && mergePatchOf(statusOf(object), next);
        if (!patch || !leads()) break;
        try {
          const body = { metadata: { resourceVersion: object.metadata.resourceVersion }, status: patch };
          const after: KubeObject = await client.mergePatch(type, ref, body, { subresource: 'status', signal });
          this.counters.written += 1;
          if (desired) this.#remember(key, desired, after);
          break;
        } catch (error) {
          if (!isConflict(error) || ++conflicts >= MAX_CONFLICTS) throw error;
          this.counters.conflicts += 1;
          object = await client.get(type, ref, { signal });
        }
      }
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    if (!leads()) return;
    // Of what has gone, nothing has to be known.
    if (!this.#desired.has(key)) {
      this.#stale.delete(key);
      this.#written.delete(key);
    }
  }

  /** Of an object that is older than what was written last, only that can be told which was asked for then. */
  #isDue(key: string, object: KubeObject): boolean {
    const written = this.#written.get(key);
    if (!isOlder(object.metadata.resourceVersion, written?.version)) return this.#next(key, object) !== undefined;
    const { status = NONE, isProvisional } = this.#desired.get(key) ?? {};
    return written?.desired !== textOf(status) || written.isProvisional !== isProvisional;
  }

  /** The whole status that an object is to have; undefined: it is as it should be. */
  #next(key: string, object: KubeObject): Status | undefined {
    const { controllerName } = this.#options;
    const current = statusOf(object);
    const { status: desired, isProvisional } = this.#desired.get(key) ?? {};
    if (!desired) return clearedStatus(current, controllerName);
    const written = this.#written.get(key);
    const isSame = written?.desired === textOf(desired) && written.isProvisional === isProvisional;
    if (isSame && written.status === textOf(current)) return undefined;
    // Somebody who knew a newer generation wrote it; so will we, soon.
    const told = newestGeneration(current, controllerName);
    const ours = newestGeneration(desired, controllerName);
    if (ours > 0 && ours < told && told <= (object.metadata.generation ?? 0)) return undefined;
    const now = new Date().toISOString().replace(/\.\d+/u, '');
    const next = mergedStatus(desired, current, { controller: controllerName, now, isProvisional });
    return canonicalJson(next) === textOf(current) ? undefined : next;
  }

  #remember(key: string, { status, isProvisional }: DesiredStatus, after: KubeObject): void {
    this.#written.set(key, {
      desired: textOf(status),
      isProvisional,
      version: after.metadata.resourceVersion,
      status: textOf(statusOf(after)),
    });
  }
}

const NONE: Status = {};

/** They are compared again and again, and never changed. */
const texts = new WeakMap<Status, string>();

function textOf(status: Status): string {
  let text = texts.get(status);
  if (text === undefined) texts.set(status, (text = canonicalJson(status)));
  return text;
}

function statusOf({ status }: KubeObject): Status {
  return (status ?? NONE) as Status;
}

/** `Kind/namespace/name`. */
function keyOfRef({ kind, namespace, name }: KubeRef): string {
  return `${kind}/${namespace}/${name}`;
}
