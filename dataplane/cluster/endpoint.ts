/** One live endpoint: what it is, how it is, and what it has done. */
import type { EndpointSpec } from '../../gen/l7mp/config/v1/types.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Candidate } from '../core/load-balancer.ts';
import type { Target } from '../core/protocol.ts';

/** What makes an endpoint: when this changes, it is another one. */
export interface EndpointIdentity {
  readonly name: string;
  readonly spec: EndpointSpec;
  /** The address to connect to; empty until its name is resolved, or where the cluster has no network. */
  readonly address: string;
  readonly port: number;
}

export class Endpoint implements Candidate, Target {
  readonly name: string;
  readonly spec: EndpointSpec;
  readonly address: string;
  readonly hostname: string;
  readonly port: number;
  readonly bind: Target['bind'];
  weight: number;
  /** By active health checks; true until one says otherwise. */
  healthy = true;
  /** Ejected for failing its sessions until this time, in ms since the epoch. */
  ejectedUntil = 0;
  /** Ejections in a row, which make the next one longer. */
  ejections = 0;
  /** Failed sessions in a row. */
  failures = 0;
  sessions = 0;
  totalSessions = 0;
  totalFailures = 0;
  /** Whether it may be picked now: kept by the cluster, so that picking is cheap. */
  usable = true;

  constructor({ name, spec, address, port }: EndpointIdentity, weight: number, bind: Target['bind']) {
    this.name = name;
    this.spec = spec;
    this.address = address;
    this.hostname = spec.address ?? address;
    this.port = port;
    this.weight = weight;
    this.bind = spec.bind ?? bind;
  }

  is({ name, spec, address, port }: EndpointIdentity): boolean {
    const same = this.name === name && this.address === address && this.port === port;
    return same && JSON.stringify(this.spec) === JSON.stringify(spec);
  }
}

/** An endpoint as the REST API and metrics see it. */
export interface EndpointView {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  readonly health: 'healthy' | 'unhealthy' | 'ejected';
  /** Milliseconds since the epoch. */
  readonly ejectedUntil: number | undefined;
  readonly sessions: number;
  readonly totalSessions: number;
  readonly totalFailures: number;
}

export function viewOf(endpoint: Endpoint, now: number): EndpointView {
  const { name, address, port, weight, healthy, ejectedUntil, sessions, totalSessions, totalFailures } = endpoint;
  const ejected = ejectedUntil > now;
  return {
    name,
    address,
    port,
    weight,
    health: healthy ? (ejected ? 'ejected' : 'healthy') : 'unhealthy',
    ejectedUntil: ejected ? ejectedUntil : undefined,
    sessions,
    totalSessions,
    totalFailures,
  };
}

/** What a cluster has counted since it was made. */
export interface ClusterTotals {
  sessions: number;
  /** Failed attempts, by why they failed. */
  readonly failures: Map<ErrorCode, number>;
  /** Attempts that took up to this many ms, and the rest last: a histogram. */
  readonly connectLatency: { readonly bounds: readonly number[]; readonly counts: number[]; sum: number };
}

export const LATENCY_BOUNDS: readonly number[] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000];
