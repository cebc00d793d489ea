/** What of a running Deployment or DaemonSet is to be respected. */
import type { KubeObject } from '../api/object.ts';
import type { Manifest } from './render.ts';

interface Scale {
  readonly replicas?: number;
}

interface WorkloadStatus {
  readonly observedGeneration?: number;
  readonly replicas?: number;
  readonly updatedReplicas?: number;
  readonly availableReplicas?: number;
  readonly desiredNumberScheduled?: number;
  readonly updatedNumberScheduled?: number;
  readonly numberAvailable?: number;
}

interface ManagedFields {
  readonly manager?: string;
  readonly operation?: string;
  readonly fieldsV1?: { readonly 'f:spec'?: Readonly<Record<string, unknown>> };
}

export function isWorkload({ kind }: KubeObject): boolean {
  return kind === 'Deployment' || kind === 'DaemonSet';
}

/** Whether all of its pods are of the newest template and serve. */
export function isAvailable({ kind, metadata, spec, status = {} }: KubeObject): boolean {
  const now = status as WorkloadStatus;
  if ((now.observedGeneration ?? 0) < (metadata.generation ?? 1)) return false;
  if (kind === 'DaemonSet') {
    const { desiredNumberScheduled = 0, updatedNumberScheduled = 0, numberAvailable = 0 } = now;
    return updatedNumberScheduled >= desiredNumberScheduled && numberAvailable >= desiredNumberScheduled;
  }
  const { replicas = 1 } = (spec ?? {}) as Scale;
  return (now.updatedReplicas ?? 0) >= replicas && (now.availableReplicas ?? 0) >= replicas;
}

/**
 * A Deployment that an autoscaler is to scale, with the replicas that it has, for as long as they are ours: a field that its only
 * owner drops falls back to its default, one replica, and the others' sessions were lost. With the first change that the
 * autoscaler makes they are its own.
 */
export function keepReplicas(wanted: Manifest, live: KubeObject | undefined, manager: string): Manifest {
  const { replicas } = (live?.spec ?? {}) as Scale;
  if (wanted.kind !== 'Deployment' || replicas === undefined || 'replicas' in (wanted.spec as object)) return wanted;
  const { managedFields = [] } = (live?.metadata ?? {}) as { readonly managedFields?: readonly ManagedFields[] };
  const ours = managedFields.find((each) => each.manager === manager && each.operation === 'Apply');
  if (ours?.fieldsV1?.['f:spec']?.['f:replicas'] === undefined) return wanted;
  return { ...wanted, spec: { ...(wanted.spec as object), replicas } };
}
