/** What requests of the two variants do to the subscriptions of a stream. */
import type { Held } from './difference.ts';
import type { DeltaRequest, SotwRequest } from './requests.ts';
import type { Subscription } from './subscription.ts';

const WILDCARD = '*';

/** What is remembered of a type beside its subscription. */
export interface TypeState {
  readonly subscription: Subscription;
  /** The client gave a name once: no names mean none from then on (rule 5). */
  named: boolean;
  /** It had a request before. */
  known: boolean;
}

/** State of the world: the list is all that the client wants. */
export function subscribeSotw(state: TypeState, { names, nonce }: SotwRequest): void {
  // It was sent before the client saw the last response: another one follows (rule 10).
  if (state.known && nonce !== state.subscription.sent.lastNonce) return;
  const { subscription } = state;
  if (names.length > 0) state.named = true;
  const wanted = new Set(names);
  const all = wanted.delete(WILDCARD) || !state.named;
  subscription.removeNames(difference(subscription.names, wanted));
  if (!all) subscription.removeWildcard();
  else if (!subscription.wildcard) subscription.addWildcard();
  subscription.addNames(difference(wanted, subscription.names));
}

/**
 * Incremental: the request says what changes. `forced`: names that are sent whatever the client says that it has; `held`: what
 * that is, where its first request says so.
 */
export function subscribeDelta(
  state: TypeState,
  { subscribe, unsubscribe }: DeltaRequest,
  forced: ReadonlySet<string>,
  held: Held | undefined,
): void {
  const { subscription } = state;
  const first = !state.known;
  if (!first && subscribe.length === 0 && unsubscribe.length === 0) return; // an answer, as most requests are
  const names = new Set(subscribe);
  const leave = new Set(unsubscribe);
  const legacy = first && names.size === 0;
  if (leave.delete(WILDCARD)) subscription.removeWildcard();
  subscription.removeNames(leave);
  const all = names.delete(WILDCARD) || legacy;
  if (all) subscription.addWildcard(held);
  // A client may wait for endpoints that it had before: its cluster may have changed since (rule 8).
  const { endpoints } = subscription.log.traits;
  subscription.addNames(
    names,
    (name) => !endpoints && !forced.has(name) && held?.versions.has(name) === true,
    (name) => !endpoints && held?.stale.has(name) === true,
  );
  if (all) for (const name of forced) subscription.push(name);
}

function difference(names: ReadonlySet<string>, without: ReadonlySet<string>): readonly string[] {
  return [...names].filter((name) => !without.has(name));
}
