/** What clusters of Services have beside their protocol and endpoints: whoever makes them. */
import { createHash } from 'node:crypto';
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import type { Service, ServicePort } from './core-kinds.ts';
import type { KubeObject } from './object.ts';
import { fullName } from './order.ts';
import { type Policies, type PolicyTarget, targetsOf } from './policies.ts';
import type { Plain } from './plain.ts';

/** Endpoints have their sessions in turns. */
const STANDARD_SETTINGS = { loadbalancer: { policy: 'RoundRobin' } } as const;

/**
 * Fields of the Cluster of a Service's port, as files have them. Policies of `above` count less than those of the Service, those of
 * `below` more.
 */
export function serviceSettings(
  policies: Policies,
  service: Service,
  port: ServicePort,
  above: readonly PolicyTarget[] = [],
  below: readonly PolicyTarget[] = [],
): Plain {
  const { cluster } = policies.traffic([...above, ...targetsOf(service, port.name), ...below]);
  const { persistence } = cluster;
  const keyed = persistence === undefined ? {} : { persistence: withKey(persistence, service) };
  return { ...STANDARD_SETTINGS, ...cluster, ...keyed };
}

/** A `persistence` of an object, or of a part of it, with its own key: the same in all proxies, whichever control plane says it. */
export function withKey(persistence: Json, object: KubeObject, part = ''): Json {
  return { ...(persistence as Plain), key: secretOf(object, part).toString('base64url') };
}

/** What only those know who can read the object: its UID is random. */
export function secretOf(object: KubeObject, part = ''): Buffer {
  const { uid = fullName(object) } = object.metadata;
  return createHash('sha256').update(`session persistence ${object.kind} ${uid} ${part}`).digest();
}
