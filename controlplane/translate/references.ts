/** The names in an object, and those of them that nothing has: no faults, as what they name may come later, but worth a word. */
import type { Cluster } from '../../gen/l7mp/config/v1/types.ts';
import type { Fault } from '../../gen/messages.ts';
import { secretsOf } from '../../common/secrets.ts';
import { danglingFault, type Reference, referencesOf } from '../../config/references.ts';
import { typeUrlOf, WIRE_LIST_OF } from '../../config/wire-kinds.ts';
import type { ObjectKey } from '../../gen/messages.ts';
import type { Part } from '../model/decode-content.ts';
import { resourceId } from '../model/resource-id.ts';

/** A name in an object. */
export interface ObjectReference extends Reference {
  /** That of the resource that is named. */
  readonly id: string;
}

/** What the parts of an object name: each path is one in the object, or of what was written in it. */
export function referencesOfParts({ kind, name }: ObjectKey, parts: readonly Part[]): readonly ObjectReference[] {
  return parts.flatMap((part) => {
    const itself = part.kind === kind && part.name === name;
    const place = itself ? '' : `${WIRE_LIST_OF[part.kind]}.${part.name}.`;
    return [...referencesIn(part)].map(({ path, ...to }) => ({
      path: `${place}${path}`,
      ...to,
      id: resourceId({ typeUrl: typeUrlOf(to.kind), name: to.name }),
    }));
  });
}

function* referencesIn({ kind, name, value }: Part): Iterable<Reference> {
  if (kind === 'Secret' || kind === 'ClusterLoadAssignment') return;
  yield* referencesOf(kind, value);
  if (kind === 'Cluster') {
    const { discovery } = value as Cluster;
    if (discovery) yield { path: 'discovery', kind: 'ClusterLoadAssignment', name: discovery.service ?? name };
  }
  const { spec } = value as { readonly spec?: object };
  for (const secret of spec ? secretsOf(spec) : []) yield { path: 'spec.tls', kind: 'Secret', name: secret };
}

/** What is to be said of the names that `exists` does not know. */
export function danglingOf(references: readonly ObjectReference[], exists: (id: string) => boolean): readonly Fault[] {
  return references.filter(({ id }) => !exists(id)).map(danglingFault);
}
