/** What a status is to become: ours, beside what others wrote, with times that tell when conditions really changed. Pure. */
import { isJsonObject } from '../../../common/json.ts';
import { canonicalJson } from '../../model/canonical.ts';
import { WAITING } from '../api/verdict.ts';

export type Status = Readonly<Record<string, unknown>>;

/** Lists that several controllers write to, each its entries with its `controllerName`, and the most that they hold (Gateway API). */
const SHARED: Readonly<Record<string, number>> = { parents: 32, ancestors: 16 };

/** A field beside conditions that says, to people, what they say of proxies. */
const COUNT = 'proxies';

export interface Merging {
  /** By which our entries of shared lists are known. */
  readonly controller: string;
  /** RFC 3339: for conditions whose status is another than before. */
  readonly now: string;
  /**
   * A condition that held for this very generation, and would now only wait for proxies, stays as it is: they may just have lost their
   * control plane, or it them.
   */
  readonly isProvisional?: boolean | undefined;
}

/**
 * The status of an object after we wrote ours.
 *
 * @param desired of shared lists, our entries only
 */
export function mergedStatus(desired: Status, current: Status, merging: Merging): Status {
  const { controller } = merging;
  const timed = withTimes(desired, current, merging) as Record<string, unknown>;
  for (const [list, limit] of Object.entries(SHARED)) {
    if (list in timed) timed[list] = mergedEntries(entriesOf(timed, list), entriesOf(current, list), controller, limit);
  }
  return timed;
}

/** The status without anything of ours: of shared lists, what others wrote; otherwise nothing. */
export function clearedStatus(current: Status, controller: string): Status {
  const shared = Object.keys(SHARED).filter((list) => list in current);
  return Object.fromEntries(
    shared.map((list) => [list, entriesOf(current, list).filter((entry) => entry['controllerName'] !== controller)]),
  );
}

/** Whether shared lists have an entry of ours. */
export function hasOurs(current: Status, controller: string): boolean {
  return Object.keys(SHARED).some((list) =>
    entriesOf(current, list).some((entry) => entry['controllerName'] === controller),
  );
}

/** The newest generation that our part of a status tells of; 0 where it tells none. */
export function newestGeneration(status: unknown, controller: string): number {
  if (Array.isArray(status)) return Math.max(0, ...status.map((item) => newestGeneration(item, controller)));
  if (typeof status !== 'object' || status === null) return 0;
  const { controllerName, observedGeneration = 0 } = status as { controllerName?: string; observedGeneration?: number };
  if (controllerName !== undefined && controllerName !== controller) return 0;
  return Math.max(observedGeneration, ...Object.values(status).map((value) => newestGeneration(value, controller)));
}

/** RFC 7396: what makes the one into the other. Undefined: they are equal. */
export function mergePatchOf(current: Status, next: Status): Status | undefined {
  const patch: Record<string, unknown> = {};
  for (const key of Object.keys(current)) if (next[key] === undefined) patch[key] = null;
  for (const [key, value] of Object.entries(next)) {
    const before = current[key];
    if (value === undefined || canonicalJson(before) === canonicalJson(value)) continue;
    patch[key] = isJsonObject(before) && isJsonObject(value) ? mergePatchOf(before, value) : value;
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}

/** Ours stand where they stood, so that two controllers don't move each other's for ever. Where it is full, what is new has no place. */
function mergedEntries(
  ours: readonly Status[],
  current: readonly Status[],
  controller: string,
  limit: number,
): Status[] {
  const rest = new Map(ours.map((entry) => [identityOf(entry), entry]));
  const merged: Status[] = [];
  for (const entry of current) {
    const id = identityOf(entry);
    if (entry['controllerName'] !== controller) {
      merged.push(entry);
    } else {
      const ours = rest.get(id);
      if (ours) merged.push(ours);
      rest.delete(id);
    }
  }
  return [...merged, ...rest.values()].slice(0, Math.max(limit, merged.length));
}

function withTimes(desired: unknown, current: unknown, merging: Merging, isConditions = false): unknown {
  if (Array.isArray(desired)) {
    const before = new Map((Array.isArray(current) ? current : []).map((item) => [identityOf(item), item as unknown]));
    return desired.map((item: unknown) => {
      const old = before.get(identityOf(item));
      return isConditions
        ? timedCondition(item as Status, old as Status | undefined, merging)
        : withTimes(item, old, merging);
    });
  }
  if (!isJsonObject(desired)) return desired;
  const old = isJsonObject(current) ? current : {};
  const merged = Object.fromEntries(
    Object.entries(desired).map(([key, value]) => [key, withTimes(value, old[key], merging, key === 'conditions')]),
  );
  const held = conditionsOf(old).some((each) => conditionsOf(merged).includes(each));
  return held && COUNT in merged && COUNT in old ? { ...merged, [COUNT]: old[COUNT] } : merged;
}

/** Of a status, or of an entry of its lists. */
function conditionsOf({ conditions }: Status): readonly Status[] {
  return Array.isArray(conditions) ? (conditions as Status[]) : [];
}

function isHeld(condition: Status, old: Status): boolean {
  const waits = condition['status'] === 'False' && WAITING.has(String(condition['reason']));
  return waits && old['status'] === 'True' && old['observedGeneration'] === condition['observedGeneration'];
}

function timedCondition(condition: Status, old: Status | undefined, { now, isProvisional = false }: Merging): Status {
  if (isProvisional && old && isHeld(condition, old)) return old;
  const kept = old && old['status'] === condition['status'] ? old['lastTransitionTime'] : undefined;
  return { ...condition, lastTransitionTime: kept ?? now };
}

/** What an item of a list is about, through changes of what it says. */
function identityOf(item: unknown): string {
  if (!isJsonObject(item)) return canonicalJson(item);
  const { type, name, parentRef, ancestorRef } = item;
  const ref = parentRef ?? ancestorRef;
  // The server fills in what is absent.
  if (isJsonObject(ref)) return canonicalJson({ group: 'gateway.networking.k8s.io', kind: 'Gateway', ...ref });
  return canonicalJson(type ?? name ?? item);
}

function entriesOf(status: Status, list: string): readonly Status[] {
  const entries = status[list];
  return Array.isArray(entries) ? (entries as Status[]) : [];
}
