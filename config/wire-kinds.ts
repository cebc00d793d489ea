/** The kinds of configuration objects that the discovery service carries; who only names them loads no protobuf. */
import { LIST_OF } from './kinds.ts';

const PREFIX = 'type.googleapis.com/l7mp.config.v1.';

/** The kinds that have a type of their own, in the order in which a proxy wants them (make before break). */
export const WIRE_KINDS = [
  'Secret',
  'Cluster',
  'ClusterLoadAssignment',
  'Listener',
  'RuleList',
  'Rule',
  'Route',
] as const;

export type WireKind = (typeof WIRE_KINDS)[number];

/** The lists that have their objects in a file of a control plane. */
export const WIRE_LIST_OF: Readonly<Record<WireKind, string>> = {
  ...LIST_OF,
  Secret: 'secrets',
  ClusterLoadAssignment: 'load_assignments',
};

export function typeUrlOf(kind: WireKind): string {
  return `${PREFIX}${kind}`;
}

/** The kind of a type URL; undefined where it is not one of ours. */
export function kindOf(typeUrl: string): WireKind | undefined {
  return WIRE_KINDS.find((kind) => typeUrlOf(kind) === typeUrl);
}
