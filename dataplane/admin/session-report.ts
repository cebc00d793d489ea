/** Sessions as the control plane is told of them when it asks: rows, and the whole of those that it names. */
import type { Json } from '../../gen/l7mp/config/v1/types.ts';
import type { SessionsReport } from '../../gen/messages.ts';
import type { AdminDependencies } from './types.ts';
import { hideKeys } from './respond.ts';
import { ORDERS } from './session-page.ts';
import { sessionRow } from './session-row.ts';
import { createViewContext, sessionView } from './views.ts';

/** Of all details of a report, in characters: a message stays below the 4 MB that servers take. */
const MAX_CHARACTERS = 1024 * 1024;

export function reportSessions(
  dependencies: AdminDependencies,
  most: number,
  details: readonly string[],
): SessionsReport {
  const { sessions } = dependencies;
  const all = [...sessions.list()].sort(ORDERS['rate']);
  const view = createViewContext(dependencies, false);
  let left = MAX_CHARACTERS;
  return {
    sessions: all.slice(0, most).map((session) => plain(sessionRow(session)).value),
    omitted: Math.max(0, all.length - most),
    details: details.flatMap((name) => {
      const session = sessions.get(name);
      if (session === undefined) return [];
      const { value, length } = plain(sessionView(view, session));
      left -= length;
      return left < 0 ? [] : [value];
    }),
  };
}

/** As JSON has it: what is undefined isn't there, and private keys are hidden. */
function plain(value: object): { readonly value: Record<string, Json>; readonly length: number } {
  const text = JSON.stringify(value, hideKeys);
  return { value: JSON.parse(text) as Record<string, Json>, length: text.length };
}
