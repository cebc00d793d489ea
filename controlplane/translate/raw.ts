/** Raw resources: passed on untouched; only what the order of pushes depends on is read from them. */
import protobuf from 'protobufjs';
import type { ResourceKey } from '../core/resource.ts';
import { ENVOY_TYPES } from '../model/resource-types.ts';

/** The endpoints that an Envoy cluster takes from its control plane; undefined for all else. */
export function companionOf(typeUrl: string, value: Buffer): ResourceKey | undefined {
  if (typeUrl !== ENVOY_TYPES.Cluster) return undefined;
  try {
    const cluster = fieldsOf(value);
    const discovery = cluster.get(3); // eds_cluster_config
    if (discovery === undefined) return undefined;
    const service = fieldsOf(discovery).get(2); // service_name, else the cluster's name
    const name = service === undefined || service.length === 0 ? cluster.get(1) : service;
    return { typeUrl: ENVOY_TYPES.ClusterLoadAssignment, name: name?.toString() ?? '' };
  } catch {
    return undefined; // no cluster: whoever gets it will say so
  }
}

/** The last value of each length-delimited field. @throws RangeError where the bytes are no message. */
function fieldsOf(bytes: Buffer): Map<number, Buffer> {
  const reader = protobuf.Reader.create(bytes);
  const fields = new Map<number, Buffer>();
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if ((tag & 7) === 2) fields.set(tag >>> 3, Buffer.from(reader.bytes()));
    else reader.skipType(tag & 7);
  }
  return fields;
}
