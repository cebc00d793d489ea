/**
 * Changes what is live: each change is made of what is there, in one transaction with its version of the history, and made
 * anew where something else was there by then. So changes are one after the other, on all replicas.
 */
import { Slices } from '../../common/slices.ts';
import type { TraceContext } from '../../common/telemetry/trace-context.ts';
import { RpcError, STATUS } from '../core/rpc.ts';
import { type Operation, type Store, StoreError } from '../core/store.ts';
import { candidateKey, HEAD, objectKey, rolloutKey } from '../model/keys.ts';
import { idOf, toStored } from '../model/object.ts';
import { isUnderWay, type RolloutRecord } from '../model/rollout-record.ts';
import { type ObjectChange, recordVersion, type StoredChange } from './history.ts';
import type { StoreMirror } from './mirror.ts';

/** What is to be done. */
export interface Plan {
  /** Changes of objects; they make a version. */
  readonly changes: readonly ObjectChange[];
  readonly author: string;
  readonly message: string;
  /** The rollout that it is the end of. */
  readonly rollout?: string;
  /** Changes beside those of objects. */
  readonly more?: readonly Operation[];
  /** The trace that it belongs to. */
  readonly trace?: TraceContext | undefined;
}

export interface Committed {
  /** The store's revision after it. */
  readonly revision: number;
  /** The version's number; 0 where no objects were changed. */
  readonly version: number;
}

const MAX_ATTEMPTS = 50;
/** How long it may take until a change that was made is seen here. */
export const LONGEST_LAG_MS = 10_000;

export class Committer {
  private readonly store: Store;
  private readonly mirror: StoreMirror;
  private turn: Promise<unknown> = Promise.resolve();
  /** A version is about to be made by what belongs to a trace. */
  onTraced: (version: number, trace: TraceContext) => void = () => undefined;

  constructor(store: Store, mirror: StoreMirror) {
    this.store = store;
    this.mirror = mirror;
  }

  /**
   * Makes the change that `plan` gives for what is there; `plan` may be called several times, and what it throws is
   * passed on. It is visible in the mirror when this resolves, unless the store tells of nothing for 10 s.
   */
  commit(plan: () => Plan | Promise<Plan>, signal: AbortSignal): Promise<Committed> {
    const task = this.turn.then(() => this.attempt(plan, signal));
    this.turn = task.catch(() => undefined);
    return task;
  }

  private async attempt(plan: () => Plan | Promise<Plan>, signal: AbortSignal): Promise<Committed> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      signal.throwIfAborted();
      const { head } = this.mirror;
      const planned = await plan();
      const { changes, more = [] } = planned;
      if (changes.length === 0 && more.length === 0) return { revision: this.mirror.changedAt, version: 0 };
      const number = head.number + (changes.length > 0 ? 1 : 0);
      const operations = await this.operations(planned, number);
      operations.push({ type: 'put', key: HEAD, value: Buffer.from(`${number}`) });
      if (planned.trace) this.onTraced(number, planned.trace);
      const outcome = await this.transact(head.modRevision, operations);
      const patience = AbortSignal.timeout(LONGEST_LAG_MS);
      if (outcome.ok) {
        const { revision } = outcome;
        await this.mirror.reached(revision, patience).catch(() => undefined); // it is made, and comes to be seen
        return { revision, version: changes.length > 0 ? number : 0 };
      }
      // Not the outcome's revision: that may be of a key which the mirror does not follow, and never come to be seen.
      await this.mirror.passed(head, patience).catch(() => {
        throw new RpcError(STATUS.UNAVAILABLE, 'the store tells of no changes, and nothing was changed: try again');
      });
    }
    throw new RpcError(STATUS.ABORTED, 'others changed the configuration all the time: try again');
  }

  private async operations(
    { changes, author, message, rollout = '', more = [] }: Plan,
    number: number,
  ): Promise<Operation[]> {
    if (changes.length === 0) return [...more];
    const time = new Date().toISOString();
    const stored: StoredChange[] = [];
    const slices = new Slices();
    for (const change of changes) {
      if (slices.isOver) await slices.next();
      stored.push({ change, value: change.after && toStored(change.after, time) });
    }
    const objects = stored.map(({ change, value }): Operation => {
      const key = objectKey(change.key);
      return value === undefined ? { type: 'delete', key } : { type: 'put', key, value };
    });
    const version = { number, time, author, message, rollout };
    return [...objects, ...(await recordVersion(this.store, version, stored)), ...more];
  }

  private async transact(head: number, operations: readonly Operation[]) {
    try {
      return await this.store.transact([{ key: HEAD, modRevision: head }], operations);
    } catch (error) {
      if (error instanceof StoreError) throw storeFault(error, operations.length);
      throw error;
    }
  }
}

/** A store's error as the status that answers a request. */
export function storeFault({ code, message }: StoreError, operations: number): RpcError {
  switch (code) {
    case 'FULL':
      return new RpcError(STATUS.RESOURCE_EXHAUSTED, `the store has no room, and nothing was changed: ${message}`);
    case 'TOO_LARGE': {
      const what = `a change of ${operations} values is more than the store takes at once: make it in parts`;
      return new RpcError(STATUS.RESOURCE_EXHAUSTED, `${what} (${message})`);
    }
    case 'UNAVAILABLE': {
      const what = 'the store does not answer, and whether the change was made is not known: look before you try again';
      return new RpcError(STATUS.UNAVAILABLE, `${what} (${message})`);
    }
    case 'CLOSED':
      return new RpcError(STATUS.UNAVAILABLE, `the control plane is going down, and nothing was changed: ${message}`);
    default:
      return new RpcError(STATUS.INTERNAL, `the store failed: ${message}`);
  }
}

/** Ends the rollouts under way that change one of these objects: what they would leave is out of date. */
export function supersede(mirror: StoreMirror, ids: ReadonlySet<string>, reason: string): Operation[] {
  return [...mirror.rollouts.values()]
    .filter((rollout) => isUnderWay(rollout) && rollout.changes.some(({ key }) => ids.has(idOf(key))))
    .flatMap((rollout) => endRollout(rollout, { state: 'superseded', reason }));
}

/** Ends a rollout: its record stays, its candidates go. */
export function endRollout(
  rollout: RolloutRecord,
  end: Pick<RolloutRecord, 'state' | 'reason'> & Partial<RolloutRecord>,
): Operation[] {
  const candidates = rollout.changes.filter(({ action }) => action !== 'deleted');
  return [
    { type: 'put', key: rolloutKey(rollout.id), value: Buffer.from(JSON.stringify({ ...rollout, ...end })) },
    ...candidates.map(({ key }): Operation => ({ type: 'delete', key: candidateKey(rollout.id, key) })),
  ];
}
