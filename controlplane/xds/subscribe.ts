/** What requests of the two variants do to the subscriptions of a stream. */
import { readVersion, type DeltaRequest, type SotwRequest } from './requests.ts';
import type { Subscription } from './subscription.ts';
import type { TypeLog } from './type-log.ts';

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
  if (state.known && nonce !== state.subscription.lastNonce) return;
  const { subscription } = state;
  if (names.length > 0) state.named = true;
  const wanted = new Set(names);
  const all = wanted.delete(WILDCARD) || !state.named;
  subscription.removeNames(difference(subscription.names, wanted));
  if (!all) subscription.removeWildcard();
  else if (!subscription.wildcard) subscription.addWildcard();
  subscription.addNames(difference(wanted, subscription.names));
}

/** Incremental: the request says what changes. `forced`: names that are sent whatever the client says that it has. */
export function subscribeDelta(state: TypeState, request: DeltaRequest, forced: ReadonlySet<string>): void {
  const { subscription } = state;
  const { subscribe, unsubscribe, initialVersions } = request;
  const first = !state.known;
  if (!first && subscribe.length === 0 && unsubscribe.length === 0) return; // an answer, as most requests are
  const names = new Set(subscribe);
  const leave = new Set(unsubscribe);
  const legacy = first && names.size === 0;
  if (leave.delete(WILDCARD)) subscription.removeWildcard();
  subscription.removeNames(leave);
  const all = names.delete(WILDCARD) || legacy;
  if (all) subscription.addWildcard(first ? initialVersions : []);
  subscription.addNames(names, first ? currentOf(subscription.log, initialVersions, forced) : undefined);
  if (all) for (const name of forced) subscription.push(name);
}

/** What the client has in its version of now, and needn't be sent though it names it (rules 8 and 12). */
function currentOf(
  log: TypeLog,
  initialVersions: readonly Uint8Array[],
  forced: ReadonlySet<string>,
): ReadonlySet<string> | undefined {
  // A client may wait for endpoints that it had before: its cluster may have changed since.
  if (log.traits.endpoints || initialVersions.length === 0) return undefined;
  const current = new Set<string>();
  for (const entry of initialVersions) {
    const [name, version] = readVersion(entry);
    if (log.live.get(name)?.version === version && !forced.has(name)) current.add(name);
  }
  return current;
}

function difference(names: ReadonlySet<string>, without: ReadonlySet<string>): readonly string[] {
  return [...names].filter((name) => !without.has(name));
}
