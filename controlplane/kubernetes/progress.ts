/** How far all objects of a status are in proxies, of how far each of them is. */
import { formatFault } from '../../common/errors.ts';
import type { ObjectStatus } from '../../gen/messages.ts';
import type { Progress } from './api/reader.ts';

/** In a status. */
const MAX_FAILURES = 5;

/**
 * Objects of one status are for the same proxies, each of which takes some of them or all: so the smallest count is of those that are
 * done with all. An object that no proxy asks for is not waited for.
 */
export function progressOf(ids: readonly string[], statusOf: (id: string) => ObjectStatus | undefined): Progress {
  let selected = 0;
  let acked = Infinity;
  let serving = Infinity;
  const failures: string[] = [];
  for (const id of ids) {
    const status = statusOf(id);
    for (const fault of status?.faults ?? []) failures.push(`${id}: ${formatFault(fault)}`);
    for (const { proxy, message } of status?.failed ?? []) failures.push(`${proxy}: ${message}`);
    if (status === undefined || status.selected === 0) continue;
    selected = Math.max(selected, status.selected);
    acked = Math.min(acked, status.acked);
    serving = Math.min(serving, status.serving);
  }
  if (selected === 0) [acked, serving] = [0, 0];
  return { selected, acked, serving, failures: [...new Set(failures)].sort().slice(0, MAX_FAILURES) };
}
