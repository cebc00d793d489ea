/** What clusters of Services have beside their protocol and endpoints: whoever makes them. Types, and what holds without a policy. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import type { Service, ServicePort } from './core-kinds.ts';

/** Fields of a Cluster, as files have them. */
export type ServiceSettings = (service: Service, port: ServicePort) => Readonly<Record<string, Json>>;

/** Endpoints have their sessions in turns. */
export const STANDARD_SETTINGS = { loadbalancer: { policy: 'RoundRobin' } } as const;

export const withoutPolicies: ServiceSettings = () => STANDARD_SETTINGS;
