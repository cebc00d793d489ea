/** The topology of a proxy with what passes along it: what is configured, busy or not, and the sums of its sessions. */
import type { TrafficItem, TrafficReport } from '../../gen/messages.ts';
import { formatEnd } from '../../common/format-address.ts';
import type { Histogram } from '../../common/histogram.ts';
import type { ConfigSnapshot } from '../../config/snapshot.ts';
import type { OffloadStatus } from '../core/offload.ts';
import type { SessionView } from '../core/session.ts';
import { addSums } from '../core/session-sums.ts';
import { noWaySums, type SessionWays, type Sums, type Way, wayKey, type WaySums } from './way-totals.ts';
import { waysOf } from './ways.ts';

/** What a report is made of. */
export interface TopologySource {
  readonly ways: SessionWays;
  readonly sessions: () => Iterable<SessionView>;
  readonly snapshot: () => ConfigSnapshot;
  readonly addressOf: (listener: string) => string | undefined;
  readonly clusters: () => Iterable<ClusterFigures>;
  readonly offload: () => OffloadStatus | undefined;
}

export interface ClusterFigures {
  readonly name: string;
  readonly connectLatency: Histogram;
  readonly endpoints: readonly {
    readonly name: string;
    readonly address: string;
    readonly port: number;
    readonly health: string;
    readonly totalAttempts: number;
    readonly totalFailures: number;
  }[];
}

/** Of a report. */
const MAX_ITEMS = 2000;

/** Costs a walk over the live sessions: for about once a second, and only while somebody looks. */
export function reportTraffic(source: TopologySource): TrafficReport {
  const items = [...itemsOf(source)];
  const omitted = Math.max(0, items.length - MAX_ITEMS);
  if (omitted > 0) items.sort((one, other) => other.opened - one.opened).length = MAX_ITEMS;
  return { time: new Date().toISOString(), items, omitted, faults: [...source.ways.faults] };
}

function* itemsOf(source: TopologySource): Iterable<TrafficItem> {
  const snapshot = source.snapshot();
  const totals = source.ways.with(source.sessions());
  const byListener = new Map<string, Sums>();
  const byCluster = new Map<string, Sums>();
  for (const { way, ...sums } of all(totals.ways, waysOf(snapshot))) {
    yield item('path', { ...way, ...figures(sums) });
    addTo(byListener, way.listener, sums);
    if (way.cluster !== '') addTo(byCluster, way.cluster, sums);
  }
  for (const [listener, { value }] of snapshot.listeners) {
    const sums = byListener.get(listener) ?? noWaySums();
    const failed = sums.failed + source.ways.refusedAt(listener);
    const address = source.addressOf(listener) ?? '';
    yield item('listener', { ...figures({ ...sums, failed }), listener, address, detail: value.spec.protocol });
  }
  for (const { name: cluster, connectLatency, endpoints } of source.clusters()) {
    const sums = byCluster.get(cluster) ?? noWaySums();
    const connects = connectLatency.counts.reduce((sum, count) => sum + count, 0);
    const detail = snapshot.clusters.get(cluster)?.value.spec.protocol ?? '';
    yield item('cluster', {
      ...figures(sums),
      cluster,
      detail,
      connects,
      connect_ms: connectLatency.sum,
    });
    for (const { name: endpoint, address, port, health, totalAttempts, totalFailures } of endpoints) {
      const own = totals.endpoints.get(`${cluster}\n${endpoint}`) ?? noWaySums();
      yield item('endpoint', {
        // A session is at one endpoint in the end; it has been opened at each that it was sent to, and may have failed there.
        ...figures({ ...own, opened: totalAttempts, failed: totalFailures }),
        cluster,
        endpoint,
        address: formatEnd(address, port),
        detail: health,
      });
    }
  }
  yield* kernelItems(source.offload());
}

function* kernelItems(offload: OffloadStatus | undefined): Iterable<TrafficItem> {
  if (offload === undefined) return;
  const { engine, connections, handovers } = offload;
  const ofTcp = connections?.handovers ?? 0;
  if (engine) yield item('kernel', { detail: 'UDP', active: engine.flows, opened: handovers - ofTcp });
  if (connections?.engine) yield item('kernel', { detail: 'TCP', active: connections.engine.flows, opened: ofTcp });
  for (const [detail, failed] of offload.refusals) yield item('refusal', { detail, failed });
}

/** Those that sessions took, and those that they might. */
function* all(counted: ReadonlyMap<string, WaySums>, configured: readonly Way[]): Iterable<WaySums> {
  yield* counted.values();
  for (const way of configured) if (!counted.has(wayKey(way))) yield { way, ...noWaySums() };
}

function addTo(all: Map<string, Sums>, name: string, more: Sums): void {
  const sums = all.get(name) ?? noWaySums();
  all.set(name, sums);
  sums.failed += more.failed;
  addSums(sums, more);
}

function figures({ active, opened, failed, ingress, egress, kernel }: Sums): Partial<TrafficItem> {
  const bytes = { bytes_in: ingress.bytes, bytes_out: egress.bytes };
  return { active, opened, failed, ...bytes, bytes_kernel: kernel.ingress.bytes + kernel.egress.bytes };
}

const EMPTY: Omit<TrafficItem, 'type'> = {
  listener: '',
  rule: '',
  route: '',
  cluster: '',
  endpoint: '',
  address: '',
  detail: '',
  active: 0,
  opened: 0,
  failed: 0,
  bytes_in: 0,
  bytes_out: 0,
  bytes_kernel: 0,
  connects: 0,
  connect_ms: 0,
};

function item(type: string, fields: Partial<TrafficItem>): TrafficItem {
  return { type, ...EMPTY, ...fields };
}
