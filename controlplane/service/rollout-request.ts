/** A change that goes to some proxies first, as what is written to the store. */
import { randomBytes } from 'node:crypto';
import type { ObjectRollout, Rollout, RolloutPolicy } from '../../gen/messages.ts';
import { RpcError, STATUS } from '../core/rpc.ts';
import type { Operation } from '../core/store.ts';
import type { ObjectChange } from '../live/history.ts';
import { candidateKey, rolloutKey } from '../model/keys.ts';
import { toStored } from '../model/object.ts';
import { isUnderWay, type RolloutRecord } from '../model/rollout-record.ts';

const MAX_ENDED = 50;
const MAX_PAUSE = 24 * 60 * 60 * 1000;

/** @throws RpcError INVALID_ARGUMENT with what is wrong with it. */
export function readPolicy({ percent, pause = 30_000, max_failures, manual }: RolloutPolicy): RolloutRecord['policy'] {
  const wrong: string[] = [];
  const steps = percent.at(-1) === 100 ? percent : [...percent, 100];
  const rises = steps.every((each, index) => each >= 1 && each <= 100 && each > (steps[index - 1] ?? 0));
  if (!rises || steps.length > 100) {
    wrong.push(`rollout.percent: expected rising numbers of 1 to 100, found ${percent.join(', ')}`);
  }
  if (pause < 0 || pause > MAX_PAUSE) wrong.push(`rollout.pause: expected 0 s to 24 h, found ${pause / 1000} s`);
  if (max_failures < 0) wrong.push(`rollout.max_failures: expected a number from 0, found ${max_failures}`);
  if (wrong.length > 0) throw new RpcError(STATUS.INVALID_ARGUMENT, wrong.join('\n'));
  return { percent: steps, pause, max_failures, manual };
}

export function newRolloutId(): string {
  return `${new Date().toISOString().slice(0, 19).replaceAll(/[-:]/gu, '').toLowerCase()}-${randomBytes(3).toString('hex')}`;
}

/** What begins a rollout: its record, its candidates; and the oldest ones that have ended go. */
export function beginRollout(
  rollout: Pick<RolloutRecord, 'id' | 'policy' | 'author' | 'message'>,
  changes: readonly ObjectChange[],
  known: Iterable<RolloutRecord>,
): Operation[] {
  const now = new Date().toISOString();
  const record: RolloutRecord = {
    ...rollout,
    revision: 0,
    state: 'progressing',
    step: -1,
    threshold: 0,
    changes: changes.map(({ key, action }) => ({ key, action })),
    started_at: now,
    step_at: now,
    reason: 'it is about to begin',
    failed: [],
    updated: 0,
    selected: 0,
  };
  const ended = [...known].filter((each) => !isUnderWay(each)).sort(newestFirst);
  return [
    { type: 'put', key: rolloutKey(record.id), value: Buffer.from(JSON.stringify(record)) },
    ...changes.flatMap(({ key, after }): Operation[] =>
      after ? [{ type: 'put', key: candidateKey(record.id, key), value: toStored(after, now) }] : [],
    ),
    ...ended.slice(MAX_ENDED - 1).map(({ id }): Operation => ({ type: 'delete', key: rolloutKey(id) })),
  ];
}

function newestFirst(one: RolloutRecord, other: RolloutRecord): number {
  return one.started_at === other.started_at ? 0 : one.started_at < other.started_at ? 1 : -1;
}

export function showRollout(record: RolloutRecord): Rollout {
  const { id, policy, state, updated, selected, failed, changes, started_at, author, reason } = record;
  return {
    id,
    policy,
    state,
    percent: percentOf(record),
    updated,
    selected,
    failed,
    changes: changes.map(({ key, action }) => ({ key, action, warnings: [] })),
    started_at,
    author,
    reason,
  };
}

export function showRolloutOfObject(record: RolloutRecord): ObjectRollout {
  const { id, state, reason } = record;
  return { id, state, percent: percentOf(record), reason };
}

function percentOf({ state, policy, step }: RolloutRecord): number {
  return state === 'completed' ? 100 : (policy.percent[step] ?? 0);
}
