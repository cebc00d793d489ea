/** Objects as people and programs read them. */
import type { Object as ConfigObject, Selector } from '../../gen/messages.ts';

/** For whom an object is: `all`, `site=a,tier!=b`, `id=edge-1`. */
export function formatSelector(selector: Selector | undefined): string {
  if (selector === undefined) return 'all';
  const { match_labels, match_expressions, match_ids } = selector;
  const parts = [
    ...Object.entries(match_labels).map(([key, value]) => `${key}=${value}`),
    ...match_expressions.map(({ key, operator, values }) =>
      operator === 'Exists'
        ? key
        : operator === 'DoesNotExist'
          ? `!${key}`
          : `${key} ${operator} (${values.join(',')})`,
    ),
    ...(match_ids.length === 0 ? [] : [`id=${match_ids.join('|')}`]),
  ];
  return parts.length === 0 ? 'all' : parts.join(',');
}

/** The proxies that an object is for: those where it serves of all. Where it can't be known, those that took it. */
export function progressOf({ status, key }: ConfigObject): string {
  if (status === undefined) return '';
  const reached = isRaw(key?.kind) ? status.acked : status.serving;
  return `${reached} of ${status.selected}`;
}

/** The rollout that changes an object: `paused at 25 %`; nothing where there is none. */
export function rolloutOf({ status }: ConfigObject): string {
  return status?.rollout ? `${status.rollout.state} at ${status.rollout.percent} %` : '';
}

/** Whether objects of a kind are raw resources: it is a type URL. */
export function isRaw(kind = ''): boolean {
  return kind.includes('/');
}

/** How long ago, as `5 min`. */
export function ageOf(iso: string | undefined): string {
  if (iso === undefined) return '';
  const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(iso)) / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
