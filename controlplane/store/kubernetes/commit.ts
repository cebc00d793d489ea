/** Transactions that wait become commits: in groups, each a record, and the head names all of a group at once. */
import { type Condition, type Operation, type Outcome, StoreError } from '../../core/store.ts';
import { backoff } from '../../../common/backoff.ts';
import { pause } from '../../../common/signal.ts';
import type { DatedChange } from '../memory/history.ts';
import { changeOf, failedConditions, Overlay } from '../memory/plan.ts';
import { faultOf, isConflict, isPassing } from './api.ts';
import { floorOf, HEAD, type Head, headOf, type HeadSpec, objectOf } from './head.ts';
import {
  type Blob,
  encodeOperations,
  inParallel,
  MissingRecord,
  namesOf,
  remove,
  type Scope,
  write,
} from './records.ts';
import type { Replica } from './replica.ts';

/** A transaction that waits. */
export interface Waiting {
  readonly conditions: readonly Condition[];
  readonly operations: readonly Operation[];
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
  /** Its record, and the id of the snapshot that the head named before it was written. */
  record?: { readonly blob: Blob; readonly of: string } | undefined;
}

/** What keys and values may take, in bytes: etcd has all of Kubernetes in 2 GiB, where it isn't told otherwise. */
export const QUOTA_BYTES = 128 * 1024 * 1024;
/** Where no snapshot can be made, the head must not grow without end. */
const MAX_COMMITS = 5000;
/** For all tries together, in ms. */
const DEADLINE_MS = 15_000;
const RETRY = { base: 5, cap: 1000 };

/** A head that was sent, and whose answer did not come: it is in place now, or it comes to be, or never. */
interface Sent {
  readonly id: string;
  /** That its first commit would be. */
  readonly first: number;
  readonly plan: Plan;
}

/** Makes each of them, or tells it why not. Whoever calls it has the turn. */
export async function commitAll(replica: Replica, group: readonly Waiting[]): Promise<void> {
  const { scope } = replica;
  const commit = new Commit(replica, group);
  try {
    await settle(scope, group, await commit.run());
  } catch (error) {
    const fault = faultOf(error);
    const isUnknown = commit.sent !== undefined;
    // A group fails as a whole where one of them can't be written: then each is tried by itself.
    if (group.length > 1 && !isUnknown && fault.code === 'TOO_LARGE') {
      for (const each of group) await commitAll(replica, [each]);
      return;
    }
    const told = isUnknown ? new StoreError('UNAVAILABLE', `${fault.message}: it may have been made`, error) : fault;
    for (const each of group) each.reject(told);
    // Where the answer is still to come, the head may name them.
    const records = isUnknown ? [] : group.flatMap(({ record }) => (record ? namesOf(scope, record.blob) : []));
    await remove(scope, records);
  }
}

class Commit {
  readonly #replica: Replica;
  readonly #group: readonly Waiting[];
  readonly #end = performance.now() + DEADLINE_MS;
  sent: Sent | undefined;

  constructor(replica: Replica, group: readonly Waiting[]) {
    this.#replica = replica;
    this.#group = group;
  }

  /** The plan that was made. @throws what the client throws. */
  async run(): Promise<Plan> {
    const { scope } = this.#replica;
    let isFresh = false;
    for (let tries = 0; ; tries++) {
      const plan = planOf(this.#replica, this.#group);
      // What changes nothing, or may not be made, is so only if nobody else has changed something.
      const settled = plan.writers.length > 0 ? await this.#try(plan) : isFresh ? plan : undefined;
      if (settled) return settled;
      if (plan.writers.length > 0) {
        if (performance.now() > this.#end) throw new StoreError('UNAVAILABLE', 'others change the store all the time');
        await pause(backoff(tries + 1, RETRY), scope.signal);
      }
      await patiently(this.#end, scope, () => this.#replica.refresh());
      isFresh = true;
      const made = this.#found();
      if (made) return made;
    }
  }

  /** Undefined: others moved the head, or no answer came. */
  async #try(plan: Plan): Promise<Plan | undefined> {
    const replica = this.#replica;
    const { head, scope } = replica;
    await patiently(this.#end, scope, () => writeRecords(replica, plan.writers));
    const ids = plan.writers.map(({ record }) => record?.blob.id ?? '');
    const revision = replica.revision + ids.length;
    const before = this.sent;
    this.sent = { id: ids[0] ?? '', first: replica.revision + 1, plan };
    try {
      const moved = await moveHead(scope, { ...head, revision, commits: [...head.commits, ...ids] });
      this.sent = undefined;
      replica.committed(moved, plan.changes);
      return plan;
    } catch (error) {
      if (isConflict(error)) {
        // This one was refused; an earlier one, of the same head, may be what moved it.
        this.sent = before;
        return undefined;
      }
      if (!isPassing(error)) {
        this.sent = before;
        throw error;
      }
      if (performance.now() > this.#end) throw error;
      return undefined;
    }
  }

  /** What was sent without an answer is in place; or it never will be. */
  #found(): Plan | undefined {
    const { sent } = this;
    if (!sent) return undefined;
    const { head } = this.#replica;
    const isMade = head.commits.includes(sent.id);
    if (isMade) {
      this.sent = undefined;
      return sent.plan;
    }
    if (floorOf(head) >= sent.first) throw new StoreError('UNAVAILABLE', 'many others have moved the head');
    // Of a head that has been moved by others, it is refused.
    if (head.revision >= sent.first) this.sent = undefined;
    return undefined;
  }
}

interface Plan {
  /** In the order of `writers`. */
  readonly changes: DatedChange[];
  /** Those that change something. */
  readonly writers: Waiting[];
  readonly outcomes: Map<Waiting, Outcome>;
  readonly refused: Map<Waiting, unknown>;
}

function planOf(replica: Replica, group: readonly Waiting[]): Plan {
  const overlay = new Overlay(replica, QUOTA_BYTES);
  const plan: Plan = { changes: [], writers: [], outcomes: new Map(), refused: new Map() };
  for (const each of group) {
    const failed = failedConditions(overlay, each.conditions);
    const change = failed.length > 0 ? undefined : changeOf(overlay, each.operations);
    try {
      if (change) {
        if (replica.head.commits.length + plan.changes.length >= MAX_COMMITS) throw full(replica.head);
        overlay.add(change);
        plan.changes.push(change);
        plan.writers.push(each);
      }
      const { revision } = overlay;
      plan.outcomes.set(each, failed.length > 0 ? { ok: false, revision, failed } : { ok: true, revision });
    } catch (error) {
      plan.refused.set(each, error);
    }
  }
  return plan;
}

function full({ commits }: Head): StoreError {
  const found = `found ${commits.length}: see the log for why none is made`;
  return new StoreError('FULL', `expected a snapshot after at most ${MAX_COMMITS} commits, ${found}`);
}

/** Of those that have none, or whose may have been taken for litter by whoever made a snapshot. */
async function writeRecords({ scope, head }: Replica, writers: readonly Waiting[]): Promise<void> {
  const of = head.snapshot.id;
  const missing = writers.filter(({ record }) => record?.of !== of);
  await inParallel(missing, async (each) => {
    each.record = { blob: await write(scope, encodeOperations(each.operations)), of };
  });
}

/** @throws what the client throws: a conflict where it was moved by others. */
export async function moveHead(scope: Scope, next: HeadSpec & { readonly version: string }): Promise<Head> {
  const { client, namespace, name, timeoutMs, signal } = scope;
  return headOf(
    await client.apply(HEAD, objectOf(namespace, name, next), { force: true, once: true, timeoutMs, signal }),
  );
}

async function settle(scope: Scope, group: readonly Waiting[], { writers, outcomes, refused }: Plan): Promise<void> {
  for (const each of group) {
    const outcome = outcomes.get(each);
    if (outcome) each.resolve(outcome);
    else each.reject(refused.get(each));
  }
  // Written for a try that others have overtaken.
  const unused = group.filter((each) => !writers.includes(each));
  await remove(
    scope,
    unused.flatMap(({ record }) => (record ? namesOf(scope, record.blob) : [])),
  );
}

/** Until it is done; what may pass is tried again until the end. @throws what the client throws. */
export async function patiently<T>(end: number, { signal }: Scope, work: () => Promise<T>): Promise<T> {
  for (let wait = 50; ; wait = Math.min(2 * wait, RETRY.cap)) {
    try {
      return await work();
    } catch (error) {
      const isLast = signal.aborted || performance.now() + wait > end;
      if (error instanceof MissingRecord || isLast || !isPassing(error)) throw error;
      await pause(wait, signal);
    }
  }
}
