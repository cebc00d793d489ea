/** How an object fares, in a word: see docs/control-plane.md. */
import type { Object as ConfigObject } from '../../gen/messages.ts';

/** The one word that says how an object fares. */
export function stateOf({ status }: ConfigObject): string {
  if (status === undefined) return 'Unknown';
  const { accepted, shadowed_by, failed, selected, acked, serving } = status;
  if (shadowed_by !== '') return 'Shadowed';
  if (!accepted) return 'Invalid';
  if (failed.length > 0) return 'Failed';
  if (selected === 0) return 'Accepted';
  if (serving >= selected) return 'Serving';
  return acked >= selected ? 'Programmed' : 'Pending';
}
