/** Which fields of a TrafficPolicy are whose, and what a target can't have. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import type { TrafficPolicySpec, TrafficTarget } from '../../../gen/l7mp/kubernetes/v1/types.ts';
import type { TrafficPolicy } from '../api/own-kinds.ts';
import type { Verdict } from '../api/verdict.ts';
import { type Additions, contentFault } from './content-fault.ts';
import type { Plain } from '../api/plain.ts';

type Field = Exclude<keyof TrafficPolicySpec, 'targetRefs'>;

const OF_CLUSTERS = [
  'loadbalancer',
  'health_check',
  'outlier_detection',
  'circuit_breaker',
  'connect_timeout',
  'persistence',
] as const satisfies readonly Field[];
const OF_ROUTES = ['retry', 'timeouts', 'fault', 'limits'] as const satisfies readonly Field[];

export function clusterFields({ spec }: TrafficPolicy): Plain {
  return pick(spec, OF_CLUSTERS);
}

export function routeFields({ spec }: TrafficPolicy): Plain {
  return pick(spec, OF_ROUTES);
}

/** Fields of a listener's options. */
export function listenerFields(policy: TrafficPolicy | undefined): Plain {
  return (policy?.spec?.listener ?? {}) as Plain;
}

function pick(spec: TrafficPolicySpec | undefined, fields: readonly Field[]): Plain {
  const entries = fields.flatMap((field) => (spec?.[field] === undefined ? [] : [[field, spec[field]]]));
  return Object.fromEntries(entries) as Plain;
}

/** What is wrong with it, whatever its targets are. */
export function trafficFault(policy: TrafficPolicy): Verdict | undefined {
  return contentFault(policy, additionsOf, (path) => `spec.${path.replace(/^options\./u, 'listener.')}`);
}

function additionsOf(policy: TrafficPolicy): Additions {
  return {
    Listener: { options: listenerFields(policy) },
    Cluster: clusterFields(policy),
    Route: routeFields(policy),
  };
}

type Kind = TrafficTarget['kind'];

const STREAMS: readonly Kind[] = ['TLSRoute', 'TCPRoute', 'UDPRoute'];
const BYTES: readonly Kind[] = ['HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute'];

/** Fields that some kinds can't have, and why. What a Gateway says counts for those of its routes that can have it. */
const REFUSED: readonly (readonly [path: string, kinds: readonly Kind[], why: string])[] = [
  ...[...OF_ROUTES, 'mirrors'].map((field) => [field, ['Service'], 'it is of routes'] as const),
  ['listener', ['Service', ...BYTES, 'UDPRoute'], 'it is of listeners'],
  ['persistence', STREAMS, 'there is no header that could carry a token'],
  ['retry.statuses', STREAMS, 'there are no answers with a status'],
  ['timeouts.attempt', STREAMS, 'there are no answers'],
  ['fault.drop', BYTES, 'a byte stream loses nothing'],
];

/** What a policy says that a target of this kind can't have. */
export function unfitting({ spec = { targetRefs: [] } }: TrafficPolicy, kind: Kind): Verdict | undefined {
  const messages = REFUSED.flatMap(([path, kinds, why]) => {
    if (!kinds.includes(kind)) return [];
    const [field = '', member] = path.split('.');
    const value = spec[field as Field] as Json | undefined;
    const inner = member === undefined ? value : (value as Plain | undefined)?.[member];
    if (inner === undefined || (Array.isArray(inner) && inner.length === 0) || inner === 0) return [];
    return [`spec.${path}: expected nothing where a ${kind} is the target, as ${why}`];
  });
  return messages.length === 0 ? undefined : { reason: 'Invalid', message: messages.join('; ') };
}
