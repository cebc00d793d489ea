/** The node of a stream: who it says that it is. */
import type { Node } from '../../gen/messages.ts';
import { codecOf } from '../../rpc/protos.ts';
import type { NodeFacts } from '../core/resource.ts';
import { type Call, RpcError, STATUS } from '../core/rpc.ts';

const codec = codecOf<Node>('envoy.config.core.v3.Node');

const MAX_ID_CHARACTERS = 1024;

/** A client that may be sent TTLs and heartbeats says so. */
export const TTL_FEATURE = 'xds.config.supports-resource-ttl';

/** @throws RpcError INVALID_ARGUMENT where the bytes are no node, or one without an identity. */
export function nodeOf(bytes: Uint8Array | undefined, call: Call, variant: NodeFacts['variant']): NodeFacts {
  if (bytes === undefined) throw new RpcError(STATUS.INVALID_ARGUMENT, "expected a node in a stream's first request");
  const node = decode(bytes);
  if (node.id === '' || node.id.length > MAX_ID_CHARACTERS) {
    throw new RpcError(
      STATUS.INVALID_ARGUMENT,
      `expected a node with an id of up to ${MAX_ID_CHARACTERS} characters, found ${node.id.length}`,
    );
  }
  return { id: node.id, labels: labelsOf(node), node, peer: call.peer, variant };
}

/** The identity of a node. @throws RpcError INVALID_ARGUMENT. */
export function nodeIdOf(bytes: Uint8Array): string {
  return decode(bytes).id;
}

function decode(bytes: Uint8Array): Node {
  try {
    return codec.decode(bytes);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RpcError(STATUS.INVALID_ARGUMENT, `expected a node: ${reason}`);
  }
}

function labelsOf({ metadata }: Node): Readonly<Record<string, string>> {
  const labels = metadata?.['labels'];
  if (typeof labels !== 'object' || labels === null || Array.isArray(labels)) return {};
  return Object.fromEntries(
    Object.entries(labels).filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
  );
}
