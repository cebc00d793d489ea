/** What is particular to types of resources, ours and Envoy's alike: whoever treats types differently asks here. */
import { typeUrlOf } from '../../config/wire-kinds.ts';

const ENVOY = 'type.googleapis.com/envoy.';

/** Envoy's counterparts of ours. */
export const ENVOY_TYPES = {
  Secret: `${ENVOY}extensions.transport_sockets.tls.v3.Secret`,
  Cluster: `${ENVOY}config.cluster.v3.Cluster`,
  ClusterLoadAssignment: `${ENVOY}config.endpoint.v3.ClusterLoadAssignment`,
  Listener: `${ENVOY}config.listener.v3.Listener`,
} as const;

interface Particulars {
  /** It says where a cluster's endpoints are: it goes out beside its cluster. */
  readonly endpoints: boolean;
  /** Others refer to it. */
  readonly referredTo: boolean;
  /** It names no others: who takes it doesn't come to ask for more. */
  readonly leaf: boolean;
  /** State of the world: a response is all there is, and what it lacks is gone. Of other types it can't be told so. */
  readonly fullState: boolean;
  /** It has more to do than to be accepted. */
  readonly works: boolean;
}

const NOTHING: Particulars = { endpoints: false, referredTo: false, leaf: false, fullState: false, works: false };

const PARTICULARS: Readonly<Record<keyof typeof ENVOY_TYPES, Particulars>> = {
  Secret: { ...NOTHING, referredTo: true, leaf: true },
  Cluster: { ...NOTHING, referredTo: true, fullState: true, works: true },
  ClusterLoadAssignment: { ...NOTHING, endpoints: true, referredTo: true, leaf: true },
  Listener: { ...NOTHING, fullState: true, works: true },
};

const BY_TYPE = new Map<string, Particulars>(
  (Object.keys(ENVOY_TYPES) as (keyof typeof ENVOY_TYPES)[]).flatMap((kind) => [
    [typeUrlOf(kind), PARTICULARS[kind]],
    [ENVOY_TYPES[kind], PARTICULARS[kind]],
  ]),
);

export function particularsOf(typeUrl: string): Particulars {
  return BY_TYPE.get(typeUrl) ?? NOTHING;
}

/** Whether all of an object is to be hidden: cautious, as types that are not known here may have keys, too. */
export function isSecret(kindOrTypeUrl: string): boolean {
  return /(?:^|\.)Secret$/u.test(kindOrTypeUrl);
}
