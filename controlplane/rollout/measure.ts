/** How far a rollout is in the proxies that are connected here. */
import type { ProxyFault } from '../../gen/messages.ts';
import type { NodeFacts, Resource } from '../core/resource.ts';
import { audienceKey, positionOf } from '../model/audience.ts';
import { idOf, type ObjectContent } from '../model/object.ts';
import { candidateInput, type RolloutRecord, type Standing } from '../model/rollout-record.ts';
import { compileSelector } from '../model/selector.ts';
import type { Translated } from '../model/translated.ts';

/** What a replica says of a rollout. */
export interface Measure {
  /** Positions of all proxies that have, lose or get something by the change, and ask for it, by their ids. */
  readonly selected: ReadonlyMap<string, number>;
  /** Those of them that are to be where the change leads by now, and are: they took what it brings, and let go what it takes. */
  readonly updated: ReadonlySet<string>;
  readonly failed: readonly ProxyFault[];
  /** It is of the step that the rollout is at: proxies are given what belongs to it, on all replicas that tell. */
  readonly current: boolean;
}

export interface Measuring {
  /** Where an input is: what it is translated to and for whom. */
  readonly find: (
    id: string,
  ) => { readonly translated: Translated; readonly audiences: readonly ReadonlyMap<string, NodeFacts>[] } | undefined;
  /** What a rollout will leave of an object: there as soon as the rollout is, before it is translated. */
  readonly candidateOf: (rollout: string, objectId: string) => Pick<ObjectContent, 'selector'> | undefined;
  /** All proxies that are connected. */
  readonly nodes: () => Iterable<NodeFacts>;
  /** Those of the resources that a proxy asks for. */
  readonly askedOf: (proxy: string, resources: readonly Resource[]) => readonly Resource[];
  readonly hasAcked: (proxy: string, resources: readonly Resource[]) => boolean;
  /** Whether a proxy holds none of the resources but those that it gets from elsewhere. */
  readonly hasLetGo: (proxy: string, resources: readonly Resource[]) => boolean;
  readonly failuresOf: (
    resources: readonly Resource[],
    audiences: readonly ReadonlyMap<string, NodeFacts>[],
  ) => readonly ProxyFault[];
}

const NOBODY: ReadonlySet<string> = new Set();

/**
 * Asks selectors, not views, whom a change is for: where an object goes, or is for fewer, views show those only that still
 * have it.
 */
export function measure(
  { id, changes, threshold }: RolloutRecord,
  { find, candidateOf, nodes, askedOf, hasAcked, hasLetGo, failuresOf }: Measuring,
): Measure {
  const selected = new Map<string, number>();
  const behind = new Set<string>();
  const failed = new Map<string, ProxyFault>();
  let current = true; // the views are where the record is
  const select = (proxy: string, isThere: boolean): void => {
    if (!selected.has(proxy)) selected.set(proxy, positionOf(proxy));
    if (!isThere) behind.add(proxy);
  };
  const matching = matchingOf(nodes);
  for (const { key, action } of changes) {
    const candidate = find(candidateInput(id, idOf(key)));
    const stable = find(idOf(key));
    if (stable && (stable.translated.audience.cohort?.from ?? 0) !== threshold) current = false;
    if (action !== 'deleted' && (candidate?.translated.audience.cohort?.to ?? 0) !== threshold) current = false;
    const before = stable?.translated.resources ?? [];
    const after = candidate?.translated.resources;
    const next = candidateOf(id, idOf(key));
    const getting = next ? matching(next) : NOBODY;
    for (const proxy of getting) {
      const asked = after && askedOf(proxy, after);
      if (asked?.length !== 0) select(proxy, asked !== undefined && hasAcked(proxy, asked));
    }
    const dropped = without(before, after ?? []);
    for (const proxy of stable ? matching(stable.translated.audience) : NOBODY) {
      if (askedOf(proxy, before).length > 0) select(proxy, hasLetGo(proxy, getting.has(proxy) ? dropped : before));
    }
    if (!candidate) continue;
    for (const fault of failuresOf(candidate.translated.resources, candidate.audiences)) failed.set(fault.proxy, fault);
  }
  const updated = new Set<string>();
  for (const [proxy, position] of current ? selected : []) {
    if (position < threshold && !behind.has(proxy) && !failed.has(proxy)) updated.add(proxy);
  }
  return { selected, updated, failed: [...failed.values()], current };
}

/** Finds the proxies of selectors: once for all that are the same. */
function matchingOf(nodes: Measuring['nodes']): (of: Pick<ObjectContent, 'selector'>) => ReadonlySet<string> {
  const known = new Map<string, ReadonlySet<string>>();
  return ({ selector }) => {
    const key = audienceKey({ selector });
    let found = known.get(key);
    if (found === undefined) {
      const matches = compileSelector(selector);
      found = new Set([...nodes()].filter(matches).map((node) => node.id));
      known.set(key, found);
    }
    return found;
  };
}

/** The first ones, of which the others have no newer version. */
function without(resources: readonly Resource[], others: readonly Resource[]): readonly Resource[] {
  const names = new Set(others.map(({ typeUrl, name }) => `${typeUrl} ${name}`));
  return resources.filter(({ typeUrl, name }) => !names.has(`${typeUrl} ${name}`));
}

/** A measure proxy by proxy. */
export function standingsOf({ selected, updated, failed }: Measure): Map<string, Standing> {
  const standings = new Map<string, Standing>();
  for (const [id, position] of selected) standings.set(id, { position, updated: updated.has(id) });
  for (const { proxy: id, kind, message } of failed) {
    const { position } = standings.get(id) ?? { position: positionOf(id) };
    standings.set(id, { position, updated: false, fault: { kind, message } });
  }
  return standings;
}

/** The measure that is told so. */
export function measureOf(standings: ReadonlyMap<string, Standing>): Omit<Measure, 'current'> {
  const selected = new Map<string, number>();
  const updated = new Set<string>();
  const failed: ProxyFault[] = [];
  for (const [proxy, { position, updated: isThere, fault }] of standings) {
    selected.set(proxy, position);
    if (isThere) updated.add(proxy);
    if (fault) failed.push({ proxy, ...fault });
  }
  return { selected, updated, failed };
}

/**
 * All replicas' together. A proxy that moved over may be told of by several: what is known of it `here` counts, and where it
 * is not here, the worst that is said of it.
 */
export function sumMeasures(here: Measure, others: Iterable<Omit<Measure, 'current'>>): Measure {
  const selected = new Map(here.selected);
  const updated = new Set(here.updated);
  const failed = new Map(here.failed.map((fault) => [fault.proxy, fault]));
  const behind = new Set<string>();
  for (const each of others) {
    const faults = new Map(each.failed.map((fault) => [fault.proxy, fault]));
    for (const [id, position] of each.selected) {
      if (here.selected.has(id)) continue;
      selected.set(id, position);
      const fault = faults.get(id);
      if (fault) failed.set(id, fault);
      if (each.updated.has(id)) updated.add(id);
      else behind.add(id);
    }
  }
  for (const id of behind) updated.delete(id);
  return { ...here, selected, updated, failed: [...failed.values()] };
}
