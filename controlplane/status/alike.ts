/** Proxies that hold the very same, and ask for the same but for names, are looked at once. */
import type { Resource, ResourceKey } from '../core/resource.ts';
import type { Asking } from './asking.ts';
import { type Acked, type Facts, holds } from './facts.ts';
import type { Tracked } from './tracked.ts';

export interface Alike {
  readonly asking: Asking;
  readonly acked: ReadonlyMap<string, Acked>;
  /** Absent: they do not report. */
  readonly facts: Facts | undefined;
  readonly proxies: Tracked[];
}

/** A resource, and those that lead proxies to it. */
export interface Wanted {
  readonly resource: Resource;
  readonly referrers: readonly ResourceKey[];
}

/** Puts together those that are alike. `factsOf`: what a proxy has reported; undefined: it does not report. */
export function groupAlike(
  proxies: Iterable<Tracked>,
  factsOf: (proxy: Tracked) => Facts | undefined,
): readonly Alike[] {
  const alike = new Map<string, Alike>();
  for (const proxy of proxies) {
    const facts = factsOf(proxy);
    const serials = [...proxy.acked].map(([typeUrl, { serial }]) => `${typeUrl} ${serial}`).sort();
    const key = [...serials, `${facts?.serial ?? 0}`, proxy.asking.signature].join('\n');
    const found = alike.get(key);
    if (found) found.proxies.push(proxy);
    else alike.set(key, { asking: proxy.asking, acked: new Map(proxy.acked), facts, proxies: [proxy] });
  }
  return [...alike.values()];
}

/** How many of those that are alike ask for which of the resources. */
export function* shares(
  { asking, acked, proxies }: Alike,
  wanted: readonly Wanted[],
): Iterable<readonly [asked: readonly Resource[], count: number]> {
  const verdicts = wanted.map((each) => {
    const { resource, referrers } = each;
    const verdict = asking.verdict(resource, referrers);
    // What it does not ask for any more it is not said to hold: no names are looked at for what all have.
    return { ...each, verdict: verdict === 'by-name' && holds(acked, resource) ? 'yes' : verdict };
  });
  if (!verdicts.some(({ verdict }) => verdict === 'by-name')) {
    yield [verdicts.flatMap(({ resource, verdict }) => (verdict === 'yes' ? [resource] : [])), proxies.length];
    return;
  }
  for (const { asking: own } of proxies) {
    const asked = verdicts.filter(
      ({ resource, referrers, verdict }) =>
        verdict === 'yes' || (verdict === 'by-name' && own.covers(resource, () => referrers)),
    );
    yield [asked.map(({ resource }) => resource), 1];
  }
}
