/** What is wrong with what a policy says: that must not be what is wrong with all that it is attached to. */
import { formatFault } from '../../../common/errors.ts';
import { contentFaults } from '../../model/decode-content.ts';
import type { Verdict } from '../api/verdict.ts';
import type { Plain } from '../api/plain.ts';

const KINDS = ['Listener', 'Cluster', 'Route'] as const;
type Kind = (typeof KINDS)[number];

/** Contents that stand for those that policies change: the smallest ones that are right. */
const WITHOUT: Readonly<Record<Kind, Plain>> = {
  Listener: { spec: { protocol: 'UDP', port: 1 }, rules: [] },
  // Which protocol it is says nothing of what a policy may have: those of Services all have addresses.
  Cluster: { spec: { protocol: 'TCP' }, discovery: { service: 'any' } },
  Route: { destination: 'any' },
};

/** What a policy adds to contents, by their kinds. */
export type Additions = Readonly<Partial<Record<Kind, Plain>>>;

// Objects never change.
const known = new WeakMap<object, Verdict | false>();

/** `additions` is asked once for each policy; `place`: where in the policy something is, by its path in the content. */
export function contentFault<Policy extends object>(
  policy: Policy,
  additions: (policy: Policy) => Additions,
  place: (path: string) => string,
): Verdict | undefined {
  let found = known.get(policy);
  if (found === undefined) {
    const all = additions(policy);
    const faults = KINDS.flatMap((kind) => {
      if (all[kind] === undefined) return [];
      const spec = { ...WITHOUT[kind], ...all[kind] };
      return contentFaults({ key: { kind, name: 'any' }, labels: {}, spec });
    });
    const texts = faults.map((fault) => formatFault({ ...fault, path: place(fault.path) }));
    found = texts.length > 0 && { reason: 'Invalid', message: texts.join('; ') };
    known.set(policy, found);
  }
  return found === false ? undefined : found;
}
