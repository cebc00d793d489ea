/** The configuration service as a client that is not ours calls it (@grpc/grpc-js). */
import type { ApplyResponse, GetResponse, ObjectStatus } from '../../gen/messages.ts';
import { clientOf, type Closers } from './grpc.ts';

/** An object as configuration files have it, with its kind; or the bytes of one whose kind is a type URL. */
export interface GivenObject {
  readonly kind: string;
  readonly name: string;
  readonly spec?: object;
  readonly raw?: Buffer;
}

export interface ConfigService {
  /** Makes all of them; how long it may take is bounded. */
  apply(...objects: readonly GivenObject[]): Promise<ApplyResponse>;
  delete(...keys: readonly Pick<GivenObject, 'kind' | 'name'>[]): Promise<void>;
  /** How an object fares. */
  status(kind: string, name: string): Promise<ObjectStatus | undefined>;
}

/** `address`: as in `127.0.0.1:1235`. */
export function configService(address: string, cleanup: Closers): ConfigService {
  const port = Number(address.slice(address.lastIndexOf(':') + 1));
  const options = { 'grpc.initial_reconnect_backoff_ms': 50, 'grpc.max_reconnect_backoff_ms': 200 };
  const client = clientOf('l7mp.admin.v1.ConfigService', port, cleanup, { options });
  const deadline = { deadlineMs: 10_000 };
  return {
    apply: async (...objects) => {
      const given = objects.map(({ kind, name, ...content }) => ({ key: { kind, name }, ...content }));
      return (await client.unary('Apply', { objects: given }, deadline)) as ApplyResponse;
    },
    delete: async (...keys) => {
      await client.unary('Delete', { keys: keys.map(({ kind, name }) => ({ kind, name })) }, deadline);
    },
    status: async (kind, name) => {
      const { object } = (await client.unary('Get', { key: { kind, name } }, deadline)) as GetResponse;
      return object?.status;
    },
  };
}

/** A cluster of one server on loopback. */
export function clusterObject(name: string, protocol: 'TCP' | 'UDP', port: number): GivenObject {
  const endpoints = [{ spec: { address: '127.0.0.1' } }];
  return { kind: 'Cluster', name, spec: { spec: { protocol, port }, endpoints } };
}

/** A listener on loopback, at a port that the system chooses, all of whose sessions go to a cluster. */
export function listenerObject(name: string, protocol: 'TCP' | 'UDP' | 'WebSocket', destination: string): GivenObject {
  const rules = [{ action: { route: { destination } } }];
  return { kind: 'Listener', name, spec: { spec: { protocol, address: '127.0.0.1', port: 0 }, rules } };
}
