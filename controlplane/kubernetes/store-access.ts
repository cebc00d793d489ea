/** What the store in Kubernetes is given: a client of its own, and leases. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Logger } from '../../common/log.ts';
import { type KubeClient, type KubeConfigOptions, Lease, openClient } from './runtime/index.ts';

export interface StoreAccess {
  readonly client: KubeClient;
  readonly lease: (namespace: string, name: string, onChange: (leads: boolean) => void) => Lease;
}

/** @throws KubeError: there is no such kubeconfig. Nothing is sent yet. */
export async function openStoreAccess(options: KubeConfigOptions, log: Logger): Promise<StoreAccess> {
  const client = await openClient(options);
  const identity = `${hostname()}_${randomUUID()}`;
  return {
    client,
    lease: (namespace, name, onChange) => new Lease({ client, namespace, name, identity, onChange, log }),
  };
}
