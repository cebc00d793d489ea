/** Statuses of custom resources: whether they are accepted, and how far they are in the proxies. */
import type { Condition } from '../api/object.ts';
import { type Progress, refOf, type StatusPlan } from '../api/reader.ts';
import { condition, joined, stated, type Verdict } from '../api/verdict.ts';
import type { Making } from './making.ts';
import { OF_REFERENCES } from './reasons.ts';

export interface Fate {
  readonly conflict: Verdict | undefined;
  /** Nobody has what it makes. */
  readonly isUnused: boolean;
  /** Fields beside the conditions. */
  readonly beside?: Readonly<Record<string, unknown>>;
}

/** The most reasons that are told in one message. */
const MAX_FAULTS = 20;

export function statusOf(making: Making, { conflict, isUnused, beside = {} }: Fate): StatusPlan {
  const { object, faults, unresolved, parts } = making;
  const { generation } = object.metadata;
  const against = bounded(conflict === undefined ? faults : [...faults, conflict]);
  const references = bounded([...faults, ...unresolved].filter(({ reason }) => OF_REFERENCES.has(reason)));
  const settled: Condition[] = [
    condition('Accepted', generation, against, { reason: 'Accepted', message: 'the object is valid' }),
    condition('ResolvedRefs', generation, references, {
      reason: 'ResolvedRefs',
      message: 'all that it names is there',
    }),
    ...(conflict === undefined ? [] : [stated('Conflicted', 'True', generation, conflict)]),
  ];
  const objects = against === undefined && !isUnused ? parts.map(({ id }) => id) : [];
  return {
    ref: refOf(object),
    objects,
    render: (progress) => ({
      ...(generation !== undefined && { observedGeneration: generation }),
      ...beside,
      proxies: `${progress.acked} of ${progress.selected}`,
      conditions: [
        ...settled,
        programmed(progress, generation, against, isUnused),
        serving(progress, generation, against, isUnused),
      ],
    }),
  };
}

function bounded(verdicts: readonly Verdict[]): Verdict | undefined {
  const more = verdicts.length - MAX_FAULTS;
  const told = verdicts.slice(0, MAX_FAULTS);
  const [first] = told;
  return joined(more > 0 && first ? [...told, { reason: first.reason, message: `and ${more} more` }] : told);
}

const NOT_ACCEPTED: Verdict = { reason: 'NotAccepted', message: 'no proxy gets an object that is not accepted' };
const UNUSED: Verdict = { reason: 'NotUsed', message: 'no proxy has anything that names it' };
const NO_PROXIES: Verdict = { reason: 'NoProxies', message: '0 of 0 proxies: none that is connected is selected' };

function programmed(
  { selected, acked, failures }: Progress,
  generation: number | undefined,
  against: Verdict | undefined,
  isUnused: boolean,
): Condition {
  const because = reasonAgainst(selected, against, isUnused);
  const message = [`${acked} of ${selected} proxies`, ...failures].join('; ');
  if (because !== undefined) return stated('Programmed', 'False', generation, because);
  if (acked >= selected) return stated('Programmed', 'True', generation, { reason: 'Programmed', message });
  const reason = failures.length > 0 ? 'Failed' : 'Pending';
  return stated('Programmed', 'False', generation, { reason, message });
}

function serving(
  { selected, serving: count, failures }: Progress,
  generation: number | undefined,
  against: Verdict | undefined,
  isUnused: boolean,
): Condition {
  const because = reasonAgainst(selected, against, isUnused);
  const message = [`${count} of ${selected} proxies`, ...failures].join('; ');
  if (because !== undefined) return stated('Serving', 'False', generation, because);
  if (count >= selected) return stated('Serving', 'True', generation, { reason: 'Serving', message });
  return stated('Serving', 'False', generation, { reason: failures.length > 0 ? 'Failed' : 'Pending', message });
}

function reasonAgainst(selected: number, against: Verdict | undefined, isUnused: boolean): Verdict | undefined {
  if (against !== undefined) return NOT_ACCEPTED;
  if (isUnused) return UNUSED;
  return selected === 0 ? NO_PROXIES : undefined;
}
