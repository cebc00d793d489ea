/** How far a rollout is in the proxies that are connected here. */
import type { ProxyFault } from '../../gen/messages.ts';
import type { NodeFacts, Resource } from '../core/resource.ts';
import { positionOf } from '../model/audience.ts';
import { idOf, type ObjectContent } from '../model/object.ts';
import { candidateInput, type RolloutRecord } from '../model/rollout-record.ts';
import { compileSelector } from '../model/selector.ts';
import type { Translated } from '../model/translated.ts';

/** What a replica says of a rollout. */
export interface Measure {
  /** Positions of all proxies that the change is for and that ask for some of it, by their ids. */
  readonly selected: ReadonlyMap<string, number>;
  /** Those of them that are to have it by now, and have it. */
  readonly updated: number;
  readonly failed: readonly ProxyFault[];
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
  readonly failuresOf: (
    resources: readonly Resource[],
    audiences: readonly ReadonlyMap<string, NodeFacts>[],
  ) => readonly ProxyFault[];
}

export function measure(
  { id, changes, threshold }: RolloutRecord,
  { find, candidateOf, nodes, askedOf, hasAcked, failuresOf }: Measuring,
): Measure {
  const selected = new Map<string, number>();
  const behind = new Set<string>();
  const failed = new Map<string, ProxyFault>();
  let reached = true; // the views are where the record is
  const select = (proxy: string): void => {
    if (!selected.has(proxy)) selected.set(proxy, positionOf(proxy));
  };
  for (const { key, action } of changes) {
    const candidate = find(candidateInput(id, idOf(key)));
    const stable = find(idOf(key));
    if (stable && (stable.translated.audience.cohort?.from ?? 0) !== threshold) reached = false;
    if (action !== 'deleted' && (candidate?.translated.audience.cohort?.to ?? 0) !== threshold) reached = false;
    // What is new is with nobody beyond the step: it is asked whom it will be for.
    const fresh = action === 'created' ? candidateOf(id, idOf(key)) : undefined;
    if (fresh) {
      const matches = compileSelector(fresh.selector);
      const resources = candidate?.translated.resources;
      for (const node of nodes()) {
        if (matches(node) && (resources === undefined || askedOf(node.id, resources).length > 0)) select(node.id);
      }
    }
    for (const place of [candidate, stable]) {
      for (const audience of place?.audiences ?? []) {
        for (const proxy of audience.keys()) {
          const asked = askedOf(proxy, place?.translated.resources ?? []);
          if (asked.length === 0) continue;
          select(proxy);
          if (place === candidate && !hasAcked(proxy, asked)) behind.add(proxy);
        }
      }
    }
    if (!candidate) continue;
    for (const fault of failuresOf(candidate.translated.resources, candidate.audiences)) failed.set(fault.proxy, fault);
  }
  const chosen = [...selected].filter(([, position]) => position < threshold);
  const updated = reached ? chosen.filter(([proxy]) => !behind.has(proxy) && !failed.has(proxy)).length : 0;
  return { selected, updated, failed: [...failed.values()] };
}

/** All replicas' together. */
export function sumMeasures(measures: Iterable<Measure>): Measure {
  const selected = new Map<string, number>();
  let updated = 0;
  // A proxy that moved over may be reported by two replicas.
  const failed = new Map<string, ProxyFault>();
  for (const each of measures) {
    for (const [id, position] of each.selected) selected.set(id, position);
    updated += each.updated;
    for (const fault of each.failed) failed.set(fault.proxy, fault);
  }
  return { selected, updated: Math.min(updated, selected.size), failed: [...failed.values()] };
}
