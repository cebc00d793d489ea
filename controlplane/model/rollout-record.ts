/** A rollout as the store has it. Types only, and what follows from them. */
import type { ObjectKey, ProxyFault } from '../../gen/messages.ts';
import { POSITIONS, type Cohort } from './audience.ts';

export type RolloutState = 'progressing' | 'paused' | 'completed' | 'rolled-back' | 'superseded';

/** How a rollout may be told to go on. */
export const CONTROL_ACTIONS = ['promote', 'next', 'pause', 'resume', 'abort'] as const;
export type ControlAction = (typeof CONTROL_ACTIONS)[number];

export interface RolloutRecord {
  readonly id: string;
  /** The store's revision that made it so: what is written of it does not count. */
  readonly revision: number;
  readonly policy: {
    /** Rising; the last one is 100. */
    readonly percent: readonly number[];
    /** How long a step must hold, in ms. */
    readonly pause: number;
    readonly max_failures: number;
    readonly manual: boolean;
  };
  readonly state: RolloutState;
  /** Which of `policy.percent` it is at. */
  readonly step: number;
  /** Proxies whose position is below it get the new objects. */
  readonly threshold: number;
  readonly changes: readonly { readonly key: ObjectKey; readonly action: 'created' | 'updated' | 'deleted' }[];
  readonly started_at: string;
  /** Since when the step is reached. */
  readonly step_at: string;
  readonly author: string;
  /** Why it was begun. */
  readonly message: string;
  /** Why it is in its state. */
  readonly reason: string;
  /** As it was when it ended. */
  readonly failed: readonly ProxyFault[];
  readonly updated: number;
  readonly selected: number;
}

/** How a proxy that a rollout is for stands to it. */
export interface Standing {
  readonly position: number;
  /** It is where the change leads. */
  readonly updated: boolean;
  readonly fault?: Pick<ProxyFault, 'kind' | 'message'>;
}

export function isUnderWay({ state }: Pick<RolloutRecord, 'state'>): boolean {
  return state === 'progressing' || state === 'paused';
}

/** The proxies that have what is new, and those that have what was. */
export function cohortsOf({ threshold }: Pick<RolloutRecord, 'threshold'>): {
  readonly new: Cohort;
  readonly old: Cohort;
} {
  return { new: { from: 0, to: threshold }, old: { from: threshold, to: POSITIONS } };
}

/** The id of the input that a rollout's candidate is. */
export function candidateInput(rollout: string, objectId: string): string {
  return `${rollout}|${objectId}`;
}
