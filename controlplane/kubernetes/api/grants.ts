/** Who may refer to objects of other namespaces: what ReferenceGrants allow. */
import type { KubeReader } from './reader.ts';

export interface Referrer {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
}

export interface Referent extends Referrer {
  readonly name: string;
}

export type Grants = (from: Referrer, to: Referent) => boolean;

/** A function that tells whether a reference is allowed: within a namespace always, else where a grant of the target's says so. */
export function readGrants(reader: KubeReader): Grants {
  const all = new Set<string>();
  const named = new Set<string>();
  for (const { metadata, spec } of reader.list('ReferenceGrant')) {
    for (const from of spec?.from ?? []) {
      for (const to of spec?.to ?? []) {
        const key = keyOf(from, { ...to, namespace: metadata.namespace ?? '' });
        if (to.name === undefined || to.name === '') all.add(key);
        else named.add(`${key} ${to.name}`);
      }
    }
  }
  return (from, to) => {
    if (from.namespace === to.namespace) return true;
    const key = keyOf(from, to);
    return all.has(key) || named.has(`${key} ${to.name}`);
  };
}

function keyOf(from: Referrer, to: Referrer): string {
  return [from.group, from.kind, from.namespace, to.group, to.kind, to.namespace].join(' ');
}
