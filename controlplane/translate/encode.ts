/** The parts of an object as resources. Endpoints go out beside their cluster, so that their change pushes only them. */
import type { Cluster } from '../../gen/l7mp/config/v1/types.ts';
import { encodeObject } from '../../config/wire.ts';
import { typeUrlOf, type WireKind } from '../../config/wire-kinds.ts';
import type { Resource, ResourceKey } from '../core/resource.ts';
import { shortHash } from '../model/canonical.ts';
import type { Part } from '../model/decode-content.ts';
import type { ConfigObject } from '../model/object.ts';
import { companionOf } from './raw.ts';
import { type ObjectReference, referencesOfParts } from './references.ts';

/** What an object says, decoded and encoded. */
export interface Encoded {
  readonly parts: readonly Part[];
  readonly resources: readonly Resource[];
  /** Where it names others. */
  readonly references: readonly ObjectReference[];
}

/** @throws TypeError for a protocol that has no form on the wire. */
export function encode(object: ConfigObject, parts: readonly Part[]): Encoded {
  return { parts, resources: encodeParts(object, parts), references: referencesOfParts(object.key, parts) };
}

function encodeParts({ key, raw }: ConfigObject, parts: readonly Part[]): Resource[] {
  if (raw !== undefined) return [resource(key.kind, key.name, raw, companionOf(key.kind, raw))];
  return parts.flatMap((part) => (part.kind === 'Cluster' ? encodeCluster(part.value as Cluster) : [encodePart(part)]));
}

function encodePart({ kind, name, value }: Part): Resource {
  return resource(typeUrlOf(kind), name, encodeObject(kind, value));
}

function encodeCluster(cluster: Cluster): Resource[] {
  const { name, endpoints, discovery } = cluster;
  const assignment = (service: string): ResourceKey => ({ typeUrl: typeUrlOf('ClusterLoadAssignment'), name: service });
  const encodeAs = (value: object, companion?: ResourceKey): Resource =>
    resource(typeUrlOf('Cluster'), name, encodeObject('Cluster', value), companion);
  if (discovery !== undefined) return [encodeAs(cluster, assignment(discovery.service ?? name))];
  if (endpoints.length === 0) return [encodeAs(cluster)];
  const kind: WireKind = 'ClusterLoadAssignment';
  return [
    encodeAs({ ...cluster, endpoints: [], discovery: {} }, assignment(name)),
    resource(typeUrlOf(kind), name, encodeObject(kind, { name, endpoints })),
  ];
}

function resource(typeUrl: string, name: string, value: Buffer, companion?: ResourceKey): Resource {
  return { typeUrl, name, version: shortHash(value), value, ...(companion && { companion }) };
}
