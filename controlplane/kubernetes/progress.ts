/** How far all objects of a status are in proxies, of how far each of them is. */
import { formatFault } from '../../common/errors.ts';
import type { ObjectStatus } from '../../gen/messages.ts';
import type { Progress } from './api/reader.ts';

/** In a status. */
const MAX_FAILURES = 5;

/**
 * Objects of one status are for the same proxies, or for some of them: so the most that one of them lacks is what is not done with all. An
 * object that no proxy asks for is not waited for.
 */
export function progressOf(ids: readonly string[], statusOf: (id: string) => ObjectStatus | undefined): Progress {
  let selected = 0;
  let unacked = 0;
  let unserved = 0;
  const failures: string[] = [];
  for (const id of ids) {
    const status = statusOf(id);
    for (const fault of status?.faults ?? []) failures.push(`${id}: ${formatFault(fault)}`);
    for (const { proxy, message } of status?.failed ?? []) failures.push(`${proxy}: ${message}`);
    if (status === undefined || status.selected === 0) continue;
    selected = Math.max(selected, status.selected);
    unacked = Math.max(unacked, status.selected - status.acked);
    unserved = Math.max(unserved, status.selected - status.serving);
  }
  const told = [...new Set(failures)].sort().slice(0, MAX_FAILURES);
  return { selected, acked: selected - unacked, serving: selected - unserved, failures: told };
}
