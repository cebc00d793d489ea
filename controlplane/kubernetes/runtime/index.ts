/**
 * Kubernetes' API as the control plane uses it:
 *
 * ```text
 * openClient ──> KubeClient ──┬─> Cache ──> reader (an Indexer): all kinds that are watched, and what changed in them
 *                             ├─> Lease: whether this replica leads
 *                             └─> StatusWriter: what is told of objects in return, while it leads
 * ```
 *
 * Nothing of the official client is loaded before `openClient` is called. Close in the opposite order.
 */
export { Cache, type CacheOptions, type KindState, type WatchedKind } from './cache.ts';
export { type CallOptions, FIELD_MANAGER, KubeClient, openClient, type WriteOptions } from './client.ts';
export { isConflict, isNotFound, KubeError } from './errors.ts';
export type { Changes, Indexer, Indexes, KindName } from './indexer.ts';
export type { KubeConfigOptions } from './kube-config.ts';
export { Lease, type LeaseOptions } from './lease.ts';
export { type DesiredStatus, StatusWriter, type StatusWriterOptions } from './status-writer.ts';
export { type Trim, trimConfigMap, trimEndpointSlice, trimPod } from './trim.ts';
export { WorkQueue, type WorkQueueOptions } from './work-queue.ts';
