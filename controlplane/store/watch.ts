/** What watches of all stores share. */
import type { StoreEvent } from '../core/store.ts';

/** The events of keys under a prefix. */
export function changesUnder(prefix: string, events: readonly StoreEvent[]): readonly StoreEvent[] {
  return events.filter((event) => (event.type === 'put' ? event.entry.key : event.key).startsWith(prefix));
}
