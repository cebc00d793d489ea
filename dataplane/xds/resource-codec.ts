/** How resources of a control plane are read: by the validator of files. */
import type { ClusterLoadAssignment, Secret } from '../../gen/l7mp/config/v1/types.ts';
import type { Schema } from '../../gen/schema-types.ts';
import type { ConfigObjects } from '../../config/snapshot.ts';
import type { Fault } from '../../common/errors.ts';
import { decodeHandedOut, decodeObject } from '../../config/decode.ts';
import { decodeBytes } from '../../config/wire.ts';
import { kindOf, typeUrlOf, WIRE_KINDS, type WireKind } from '../../config/wire-kinds.ts';

/** What a resource is, or what is wrong with it. */
interface CheckedResource {
  readonly content?:
    { readonly objects: ConfigObjects } | { readonly assignment: ClusterLoadAssignment } | { readonly secret: Secret };
  readonly faults: readonly Fault[];
}

/** The types of resources, and how each is read and checked. */
export function createResourceCodec(schema: Schema) {
  return {
    kinds: WIRE_KINDS,
    typeUrlOf,
    kindOf,
    /** `check` it beside the objects that are there. @throws Error where the bytes are no message of the kind. */
    read: (kind: WireKind, bytes: Uint8Array) => {
      const raw = decodeBytes(kind, bytes, schema);
      const name = typeof raw['name'] === 'string' ? raw['name'] : undefined;
      return { name, check: (existing: ConfigObjects): CheckedResource => check(kind, raw, existing, schema) };
    },
  };
}

function check(kind: WireKind, raw: unknown, existing: ConfigObjects, schema: Schema): CheckedResource {
  if (kind === 'ClusterLoadAssignment') {
    const { value, faults } = decodeHandedOut(kind, raw, { schema });
    return value ? { content: { assignment: value }, faults } : { faults };
  }
  if (kind === 'Secret') {
    const { value, faults } = decodeHandedOut(kind, raw, { schema });
    return value ? { content: { secret: value }, faults } : { faults };
  }
  const { value, faults } = decodeObject(kind, raw, existing, { schema, source: 'controlplane' });
  return value ? { content: { objects: value.objects }, faults } : { faults };
}
