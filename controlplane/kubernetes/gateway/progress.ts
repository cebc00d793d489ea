/** How far a translation is in the proxies, as conditions say it. */
import type { Condition } from '../api/object.ts';
import type { Progress } from '../api/reader.ts';
import { stated, type Verdict } from '../api/verdict.ts';

/** Whether all proxies have taken it; `against` says why there is nothing to take. */
export function programmed(
  progress: Progress,
  generation: number | undefined,
  against: Verdict | undefined,
  type = 'Programmed',
): Condition {
  if (against !== undefined) return stated(type, 'False', generation, against);
  const { selected, acked, failures } = progress;
  const message = [`${acked} of ${selected} proxies`, ...failures].join('; ');
  if (selected > 0 && acked >= selected) return stated(type, 'True', generation, { reason: 'Programmed', message });
  return stated(type, 'False', generation, { reason: failures.length > 0 ? 'Invalid' : 'Pending', message });
}

/** Whether it serves in all proxies. */
export function serving({ selected, serving: count }: Progress, generation: number | undefined): Condition {
  const message = `${count} of ${selected} proxies`;
  const done = selected > 0 && count >= selected;
  return stated('l7mp.io/Serving', done ? 'True' : 'False', generation, {
    reason: done ? 'Serving' : 'Pending',
    message,
  });
}
