/** Types of resources that are told apart by what they are, ours and Envoy's. */
import { typeUrlOf } from '../../config/wire-kinds.ts';

export const ENVOY_CLUSTER = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
export const ENVOY_ENDPOINTS = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment';

/** Type URLs of endpoints, which go out beside their cluster. */
export const ENDPOINTS: ReadonlySet<string> = new Set([typeUrlOf('ClusterLoadAssignment'), ENVOY_ENDPOINTS]);
