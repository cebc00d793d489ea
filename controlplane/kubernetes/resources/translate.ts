/** Our own kinds: what they come to for the proxies, and their statuses. */
import type { Fault, Selector } from '../../../gen/messages.ts';
import { formatFault } from '../../../common/errors.ts';
import { readGrants } from '../api/grants.ts';
import type { KubeObject, KubeRef } from '../api/object.ts';
import type { OwnKinds, Session } from '../api/own-kinds.ts';
import { byName } from '../api/order.ts';
import { type KubeReader, type KubeTranslation, type OwnedContent, refOf } from '../api/reader.ts';
import { type ServiceSettings, withoutPolicies } from '../api/service-settings.ts';
import { type TelemetrySettings, withoutTelemetryPolicies } from '../api/telemetry-settings.ts';
import { audienceOf } from './audience.ts';
import { findConflicts } from './conflicts.ts';
import type { Context } from './context.ts';
import { expiryOf } from './expiry.ts';
import { contentOfPart, type Making, newMaking, type Part } from './making.ts';
import { makeRoute, makeRuleList, makeSession, makeTarget, makeVirtualService } from './objects.ts';
import { readOffloadPolicies } from './offload-policies.ts';
import { createPods } from './pods.ts';
import { verdict } from './reasons.ts';
import type { Selection } from './selectors.ts';
import { formFaults, soundReader } from '../api/sound.ts';
import { statusOf } from './status.ts';

export interface ResourcesTranslation extends KubeTranslation {
  /** Sessions whose time is over: whoever leads deletes them. */
  readonly expired: readonly KubeRef[];
  /** When the next session ends, in ms since the epoch: by then it has to be translated again. */
  readonly nextExpiry?: number;
}

export interface ResourcesOptions {
  /** In ms since the epoch. */
  readonly now?: number;
  /** What policies say of Services. */
  readonly settingsOf?: ServiceSettings;
  /** What policies say of listeners. */
  readonly telemetryOf?: TelemetrySettings;
}

/** Translates all of our kinds. The same input gives the same, in the same order. */
export function translateResources(
  reader: KubeReader,
  { now = Date.now(), settingsOf = withoutPolicies, telemetryOf = withoutTelemetryPolicies }: ResourcesOptions = {},
): ResourcesTranslation {
  const sound = soundReader(reader);
  const grants = readGrants(reader);
  const context: Context = { reader: sound, grants, pods: createPods(reader), settingsOf, shared: new Map() };
  const { offloadOf, statuses: policyStatuses } = readOffloadPolicies(sound);
  const policies = { offloadOf, telemetryOf };
  const made = <Kind extends keyof OwnKinds>(kind: Kind, make: (object: OwnKinds[Kind]) => Making): Making[] =>
    [...reader.list(kind)].sort(byName).map((object) => {
      const faults = formFaults(object);
      return faults.length === 0 ? make(object) : brokenObject(object, faults);
    });

  const services = made('VirtualService', (object) => makeVirtualService(context, object, policies));
  const sessions = made('Session', (object) =>
    isOver(object, now) ? expiredSession(object) : makeSession(context, object, policies),
  );
  const makings = [
    ...services,
    ...sessions,
    ...made('Target', (object) => makeTarget(context, object)),
    ...made('Route', (object) => makeRoute(context, object)),
    ...made('RuleList', (object) => makeRuleList(context, object)),
  ];
  const conflicts = findConflicts(context, [...services, ...sessions]);
  const isAccepted = (making: Making): boolean => making.faults.length === 0 && !conflicts.has(making);

  const parts = new Map<string, Part>();
  for (const { part } of context.shared.values()) if (part !== undefined) parts.set(part.id, part);
  for (const making of makings) if (isAccepted(making)) for (const part of making.parts) parts.set(part.id, part);
  for (const making of makings.filter(isAccepted)) tellOfMissing(making, parts);

  const audiences = audiencesOf(makings.filter(isAccepted), parts);
  const objects: OwnedContent[] = [];
  for (const part of [...parts.values()].sort((one, other) => (one.id < other.id ? -1 : 1))) {
    const selector = audiences.get(part.id);
    if (selector !== undefined)
      objects.push({ owner: refOf(part.owner), content: { ...contentOfPart(part), selector } });
  }
  const statuses = makings.map((making) => {
    const ends = endOf(making);
    return statusOf(making, {
      conflict: conflicts.get(making),
      isUnused: isAccepted(making) && !making.parts.some(({ id }) => audiences.has(id)),
      ...(ends !== undefined && { beside: { expiresAt: rfc3339(ends) } }),
    });
  });
  const times = sessions.map((making) => endOf(making) ?? Infinity);
  const nextExpiry = Math.min(...times.filter((time) => time > now), Infinity);
  return {
    objects,
    statuses: [...statuses, ...policyStatuses],
    expired: sessions.filter((making) => (endOf(making) ?? Infinity) <= now).map(({ object }) => refOf(object)),
    ...(nextExpiry !== Infinity && { nextExpiry }),
  };
}

/** When a session ends; undefined for all others. */
function endOf({ object }: Making): number | undefined {
  return object.kind === 'Session' && formFaults(object).length === 0 ? expiryOf(object as Session) : undefined;
}

function brokenObject(object: KubeObject, faults: readonly Fault[]): Making {
  const making = newMaking(object);
  making.faults.push(...faults.map((fault) => verdict('Invalid', formatFault(fault))));
  return making;
}

function isOver(session: Session, now: number): boolean {
  return (expiryOf(session) ?? Infinity) <= now;
}

function expiredSession(object: Session): Making {
  const making = newMaking(object);
  making.faults.push(verdict('Expired', `its time was over at ${rfc3339(expiryOf(object) ?? 0)}`));
  return making;
}

/** As the API server writes times: in whole seconds. */
function rfc3339(time: number): string {
  return new Date(Math.floor(time / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}

/** What is named and there, but not accepted: sessions that go there fail, and all others don't. */
function tellOfMissing({ parts: own, unresolved }: Making, parts: ReadonlyMap<string, Part>): void {
  const names = new Set(own.map(({ id }) => id));
  for (const { uses } of own) {
    for (const id of uses) {
      if (parts.has(id) || names.has(id)) continue;
      const [kind = '', ...name] = id.split('/');
      const word = kind === 'Cluster' ? 'Target' : kind;
      unresolved.push(verdict('RefNotAccepted', `the ${word} ${name.join('/')} is not accepted`));
    }
  }
}

/** By part, for whom it is: who has something has what it names. */
function audiencesOf(makings: readonly Making[], parts: ReadonlyMap<string, Part>): ReadonlyMap<string, Selector> {
  const selections = new Map<string, Set<Selection>>();
  for (const { selection, parts: own } of makings) {
    if (selection?.selector === undefined) continue;
    const reached = new Set<string>();
    const rest = own.map(({ id }) => id);
    for (let id = rest.pop(); id !== undefined; id = rest.pop()) {
      if (reached.has(id)) continue;
      reached.add(id);
      const found = selections.get(id);
      if (found === undefined) selections.set(id, new Set([selection]));
      else found.add(selection);
      rest.push(...(parts.get(id)?.uses ?? []));
    }
  }
  const audiences = new Map<string, Selector>();
  for (const [id, found] of selections) {
    const audience = audienceOf(found);
    if (audience !== undefined) audiences.set(id, audience);
  }
  return audiences;
}
