/** What comes next in a rollout: pure. */
import type { ProxyFault } from '../../gen/messages.ts';
import { POSITIONS } from '../model/audience.ts';
import type { RolloutRecord } from '../model/rollout-record.ts';
import type { Measure } from './measure.ts';

export type Next =
  | { readonly type: 'wait' }
  | { readonly type: 'step'; readonly step: number; readonly threshold: number }
  | { readonly type: 'pause'; readonly reason: string }
  | { readonly type: 'complete' }
  | { readonly type: 'roll-back'; readonly reason: string };

/** Decides by how the step fares that a rollout is at; `vanished` are proxies that had it and are gone. */
export function nextOf(
  rollout: RolloutRecord,
  { selected, updated, failed, current }: Measure,
  vanished: readonly ProxyFault[],
  now: number,
): Next {
  const { policy, state, step, step_at: since } = rollout;
  const failures = [...failed, ...vanished];
  if (failures.length > policy.max_failures) {
    const [first] = failures;
    const what = first ? `: ${first.proxy}: ${first.message}` : '';
    const reason = `${failures.length} of at most ${policy.max_failures} proxies failed${what}`;
    return { type: 'roll-back', reason };
  }
  if (state === 'paused' || !current) return { type: 'wait' };
  if (step < 0) return stepTo(rollout, 0, selected);
  const chosen = chosenOf(rollout, selected);
  const isLast = step >= policy.percent.length - 1;
  // Whoever takes each step by hand has looked: nothing comes after the last one that a pause would be before.
  const pause = isLast && policy.manual ? 0 : policy.pause;
  const done = updated.size + failed.length >= chosen && now - Date.parse(since) >= pause;
  if (!done) return { type: 'wait' };
  if (isLast) return { type: 'complete' };
  if (policy.manual) {
    return { type: 'pause', reason: `the step of ${policy.percent[step] ?? 0} % holds: it waits to be told to go on` };
  }
  return stepTo(rollout, step + 1, selected);
}

/** The step with this index; behind the last one there is only completing. */
export function stepTo(rollout: RolloutRecord, step: number, selected: Measure['selected']): Next {
  const percent = rollout.policy.percent[step];
  if (percent === undefined) return { type: 'complete' };
  return { type: 'step', step, threshold: Math.max(rollout.threshold, thresholdOf(percent, selected)) };
}

/** Proxies that are to have it by now. */
export function chosenOf({ threshold }: RolloutRecord, selected: Measure['selected']): number {
  let chosen = 0;
  for (const position of selected.values()) if (position < threshold) chosen++;
  return chosen;
}

/** Below it stand so many percent of the proxies, rounded up: one at least, where there are any. */
export function thresholdOf(percent: number, selected: Measure['selected']): number {
  if (percent >= 100) return POSITIONS;
  if (selected.size === 0) return Math.floor((percent * POSITIONS) / 100);
  const positions = [...selected.values()].sort((one, other) => one - other);
  return (positions[Math.ceil((percent * positions.length) / 100) - 1] ?? 0) + 1;
}
