/** The aggregated discovery service: its streams, and which of them belong to which node. */
import type { Logger } from '../../common/log.ts';
import type { Catalog, View } from '../core/catalog.ts';
import type { Asked, NodeFacts } from '../core/resource.ts';
import { type RawHandler, RpcError, type Service, STATUS } from '../core/rpc.ts';
import { ReplacedLabels } from './replaced.ts';
import { encodeTail, type Variant } from './responses.ts';
import { DiscoveryStream, type StreamHost, type StreamLimits } from './stream.ts';
import { ServedView } from './view.ts';

export interface DiscoveryOptions {
  readonly catalog: Catalog;
  /** What responses say of who answers; of this replica. */
  readonly identifier: string;
  readonly log: Logger;
  readonly limits?: Partial<StreamLimits>;
}

const DEFAULT_LIMITS: StreamLimits = {
  maxNames: 200_000,
  maxNameCharacters: 32 * 1024 * 1024,
  maxTypes: 64,
  maxInFlight: 32,
  firstRequestMs: 30_000,
  orderTimeoutMs: 5000,
  removalDelayMs: 1000,
};

/** Streams that are served before other work of the process gets its turn. */
const SLICE = 64;
/** Nonces are numbers that begin at 1 on every stream: most streams share the bytes. */
const MAX_TAILS = 1024;

/** The discovery service, both variants. It sets `catalog.onMove`. */
export function createDiscoveryService({ catalog, identifier, log, limits }: DiscoveryOptions): Service {
  const streams = new Map<string, Set<DiscoveryStream>>();
  const due = new Set<DiscoveryStream>();
  const tails: Record<Variant, Map<string, Buffer>> = { delta: new Map(), sotw: new Map() };

  /** Nodes that more than one seems to be, as was said. */
  const shared = new Set<string>();
  const replaced = new ReplacedLabels();

  /** The newest one speaks for the node. It may be the same proxy, whose old connection has not ended yet. */
  function warnOfOthers({ id, peer }: NodeFacts, others: readonly DiscoveryStream[]): void {
    const other = others.findLast((each) => each.peer !== peer);
    if (other === undefined || shared.has(id)) return;
    shared.add(id);
    const fields = { node: id, peer, other_peer: other.peer };
    log.warn(fields, 'a proxy has come while another connection has its identity: each needs an --id of its own');
  }

  /**
   * A stream with other labels puts those out that are there, as a proxy may have been started again with new ones. Who was put out
   * so may not do the same, or the two would take turns.
   *
   * @throws RpcError ALREADY_EXISTS
   */
  function replaceOthers(node: NodeFacts, others: readonly DiscoveryStream[]): void {
    const [other] = others;
    if (other !== undefined && replaced.has(node)) {
      const message = `a stream of the node ${node.id} came later, with other labels: each proxy needs an --id of its own`;
      throw new RpcError(STATUS.ALREADY_EXISTS, message);
    }
    for (const each of others) {
      const labels = each.yieldTo(node);
      if (labels) replaced.add(node.id, labels);
    }
  }

  let scheduled = false;

  function run(): void {
    scheduled = false;
    let count = 0;
    for (const stream of due) {
      due.delete(stream);
      stream.pump();
      count += 1;
      if (count === SLICE) break;
    }
    if (due.size > 0) runSoon();
  }

  function runSoon(): void {
    if (scheduled) return;
    scheduled = true;
    setImmediate(run);
  }

  const host: StreamHost = {
    log,
    limits: { ...DEFAULT_LIMITS, ...limits },
    observe: (event) => catalog.observe(event),
    attach(node, stream) {
      const others = [...(streams.get(node.id) ?? [])];
      warnOfOthers(node, others);
      replaceOthers(node, others);
      const view = served(catalog.attach(node));
      streams.set(node.id, (streams.get(node.id) ?? new Set()).add(stream));
      catalog.observe({ type: 'connected', node });
      return view;
    },
    detach(id, stream) {
      const ofNode = streams.get(id);
      const newest = [...(ofNode ?? [])].at(-1);
      if (!ofNode?.delete(stream)) return;
      if (ofNode.size > 0) {
        // Of what is known of the node, nobody can tell what is that of the proxy that is left.
        if (stream === newest) for (const each of ofNode) if (each.peer !== stream.peer) each.succeed();
        for (const each of stream.subscriptions) {
          const { typeUrl } = each;
          const asksElsewhere = [...ofNode].some((other) => other.subscription(typeUrl) !== undefined);
          if (asksElsewhere) host.subscribed(id, typeUrl, [...each.coveredNames()]);
          else catalog.observe({ type: 'unsubscribed', id, typeUrl });
        }
        return;
      }
      streams.delete(id);
      shared.delete(id);
      replaced.forget(id);
      catalog.observe({ type: 'disconnected', id });
      catalog.detach(id);
    },
    subscribed(id, typeUrl, dropped) {
      const asked = askedOf([...(streams.get(id) ?? [])].flatMap((each) => each.subscription(typeUrl) ?? []));
      const gone = dropped.filter((name) => !asked.covers(name));
      catalog.observe({ type: 'subscribed', id, typeUrl, asked, dropped: gone });
    },
    schedule(stream) {
      due.add(stream);
      runSoon();
    },
    tail(variant, nonce) {
      const known = tails[variant];
      let bytes = known.get(nonce);
      if (bytes === undefined) {
        bytes = encodeTail(variant, nonce, identifier);
        if (known.size < MAX_TAILS) known.set(nonce, bytes);
      }
      return bytes;
    },
  };

  catalog.onMove = (id, view) => {
    for (const stream of streams.get(id) ?? []) stream.move(served(view));
  };

  const handler =
    (variant: Variant): RawHandler =>
    (stream) => {
      new DiscoveryStream(variant, stream, host);
    };
  return {
    name: 'envoy.service.discovery.v3.AggregatedDiscoveryService',
    raw: { DeltaAggregatedResources: handler('delta'), StreamAggregatedResources: handler('sotw') },
  };
}

/** What several streams ask for together. */
function askedOf(all: readonly Asked[]): Asked {
  const [only, ...others] = all;
  if (only && others.length === 0) return only;
  return {
    get wildcard() {
      return all.some(({ wildcard }) => wildcard);
    },
    covers: (name) => all.some((each) => each.covers(name)),
  };
}

/** @throws TypeError for a view that createView did not make. */
function served(view: View): ServedView {
  if (view instanceof ServedView) return view;
  throw new TypeError('expected a view that createView made');
}
