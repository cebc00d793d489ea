/** One live endpoint: what it is, how it is, and what it has done. */
import type { EndpointSpec } from '../../gen/l7mp/config/v1/types.ts';
import type { Candidate } from '../core/load-balancer.ts';
import type { Target } from '../core/protocol.ts';
import { formatAddress } from '../sockets/addresses.ts';

/** What makes an endpoint: when this changes, it is another one. */
export interface EndpointIdentity {
  readonly name: string;
  readonly spec: EndpointSpec;
  /** The address to connect to; empty until its name is looked up, or where the cluster has no network. */
  readonly address: string;
  readonly port: number;
  /** Whether it is known where it is. */
  readonly located: boolean;
  /** The part of the configuration that it is hashed by. */
  readonly host: string;
}

export class Endpoint implements Candidate, Target {
  readonly name: string;
  readonly spec: EndpointSpec;
  readonly address: string;
  readonly hostname: string;
  readonly port: number;
  readonly located: boolean;
  readonly hashKey: string;
  readonly bind: Target['bind'];
  readonly connectionKey: string;
  weight: number;
  /** By active health checks; true until one says otherwise. */
  healthy = true;
  /** Runs while it is ejected for failing its sessions. */
  ejection: NodeJS.Timeout | undefined;
  /** When the last ejection ends or ended, in ms since the epoch. */
  ejectedUntil = 0;
  /** Ejections that count: each makes the next one longer. */
  ejections = 0;
  /** Failed sessions in a row. */
  failures = 0;
  sessions = 0;
  /** Sessions that were sent to it, whether it could be connected or not; one that comes again counts again. */
  totalAttempts = 0;
  /** Those of them that it was connected for. */
  totalSessions = 0;
  totalFailures = 0;
  /** Whether it may be picked now: kept by its set, so that picking is cheap. */
  usable = false;

  constructor(identity: EndpointIdentity, weight: number, bind: Target['bind']) {
    const { name, spec, address, port, located, host } = identity;
    this.name = name;
    this.spec = spec;
    this.address = address;
    this.hostname = spec.address ?? address;
    this.port = port;
    this.located = located;
    // The port of the cluster is the same for all: where two clusters have the same hosts, as for RTP and RTCP, a key finds the same one.
    this.hashKey = spec.port > 0 ? formatAddress(host, spec.port) : host || name;
    this.weight = weight;
    this.bind = spec.bind ?? bind;
    this.connectionKey = JSON.stringify([address, port, this.hostname, this.bind]);
  }

  is({ name, spec, address, port, located }: EndpointIdentity): boolean {
    const same = this.name === name && this.address === address && this.port === port && this.located === located;
    return same && JSON.stringify(this.spec) === JSON.stringify(spec);
  }

  /** Whether sessions may go to it as far as health checks and names know. */
  get sound(): boolean {
    return this.healthy && this.located;
  }

  /** Ends its ejection. */
  readmit(): void {
    clearTimeout(this.ejection);
    this.ejection = undefined;
  }
}

/** An endpoint as the REST API and metrics see it. */
export interface EndpointView {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  /** `unhealthy` also where its name has not been found. */
  readonly health: 'healthy' | 'unhealthy' | 'ejected';
  /** In ms since the epoch. */
  readonly ejectedUntil: number | undefined;
  /** Those that are being connected included. */
  readonly sessions: number;
  readonly totalAttempts: number;
  readonly totalSessions: number;
  readonly totalFailures: number;
}

export function viewOf(endpoint: Endpoint): EndpointView {
  const { name, address, port, weight, sound, ejection, ejectedUntil } = endpoint;
  const { sessions, totalAttempts, totalSessions, totalFailures } = endpoint;
  const ejected = ejection !== undefined;
  return {
    name,
    address,
    port,
    weight,
    health: sound ? (ejected ? 'ejected' : 'healthy') : 'unhealthy',
    ejectedUntil: ejected ? ejectedUntil : undefined,
    sessions,
    totalAttempts,
    totalSessions,
    totalFailures,
  };
}
