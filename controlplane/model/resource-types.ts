/** Types of resources that are told apart by what they are, ours and Envoy's. */
import { typeUrlOf } from '../../config/wire-kinds.ts';

/** Type URLs of endpoints, which go out beside their cluster. */
export const ENDPOINTS: ReadonlySet<string> = new Set([
  typeUrlOf('ClusterLoadAssignment'),
  'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
]);
