/** A session's two sides as the kernel would have to relay them, or why it can't. Pure. */
import type { Retry } from '../../gen/l7mp/config/v1/types.ts';
import type { Flow, FlowEnds, OffloadRefusal } from '../core/offload.ts';
import type { Stream } from '../core/stream.ts';

/** A connected session, as far as its packets go. */
export interface Way {
  readonly listener: string;
  readonly client: Stream;
  /** The clusters on its way, in order. */
  readonly clusters: readonly string[];
  /** The stream of the first one. */
  readonly upstream: Stream;
  /** When the route has it connected again. */
  readonly retryOn: Retry['retry_on'];
  /** What looks at each packet on its way, if something does. */
  readonly keptOut: OffloadRefusal | undefined;
}

/** Both sides as packets see them; or what keeps the session in user space. */
export function flowEndsOf({ listener, client, clusters, upstream, retryOn, keptOut }: Way): FlowEnds | OffloadRefusal {
  const clientFlow = flowOf(client, `listener ${listener}`);
  if ('reason' in clientFlow) return clientFlow;
  if (clusters.length > 1) {
    return { reason: 'transform', message: `expected one cluster on its way, found ${clusters.join(', ')}` };
  }
  const upstreamFlow = flowOf(upstream, `cluster ${clusters.join()}`);
  if ('reason' in upstreamFlow) return upstreamFlow;
  if (clientFlow.transport !== upstreamFlow.transport) {
    const [here, there] = [NAMES[clientFlow.transport], NAMES[upstreamFlow.transport]];
    return {
      reason: 'protocol',
      message: `expected ${here} on both sides, found ${there} at cluster ${clusters.join()}`,
    };
  }
  if (client.frames?.protocol !== upstream.frames?.protocol) {
    const [here, there] = [client, upstream].map(({ frames }) => frames?.protocol ?? 'bytes without frames');
    const found = `${here} at listener ${listener} and ${there} at cluster ${clusters.join()}`;
    return { reason: 'protocol', message: `expected the same frames on both sides, found ${found}` };
  }
  const ends = { client: clientFlow, upstream: upstreamFlow };
  if (keptOut) return keptOut;
  if (!client.tcpSocket || !upstream.tcpSocket) return ends;
  if (upstream.retriable !== false && (retryOn === 'disconnect' || retryOn === 'always')) {
    const message = `expected a TCP session that ends with its cluster's connection, found retry_on ${retryOn}`;
    return { reason: 'retry', message };
  }
  return { ...ends, sockets: { client: client.tcpSocket, upstream: upstream.tcpSocket } };
}

const NAMES = { udp: 'UDP', tcp: 'TCP' } as const;

/** The flow of the stream on one side. */
function flowOf(stream: Stream, side: string): Flow | OffloadRefusal {
  const flow = stream.flow?.() ?? `a stream of ${stream.framing}`;
  if (typeof flow !== 'string') return flow;
  return { reason: 'protocol', message: `expected UDP or TCP on both sides, found ${flow} at ${side}` };
}
