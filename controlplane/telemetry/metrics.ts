/** The control plane's page of metrics. Plain counters are read when it is asked for. */
import type { BatchObservableResult, Meter } from '@opentelemetry/api';
import { collectPage } from '../../dataplane/telemetry/collect-page.ts';
import { durationMetric } from '../../dataplane/telemetry/durations.ts';
import { observeProcess } from '../../dataplane/telemetry/process-instruments.ts';
import type { ControlPlaneTotals } from './totals.ts';

/** Asked anew for each page. */
export interface MetricsSource {
  readonly totals: ControlPlaneTotals;
  /** Connections that are open. */
  connections(): number;
  /** Groups of proxies that see the same. */
  views(): number;
  /** Objects that count, by kind (`raw` for raw resources) and whether they are valid. */
  objects(): Iterable<{ readonly kind: string; readonly valid: boolean; readonly count: number }>;
  /** The store's last revision that was seen. */
  revision(): number;
  /** Whether this replica leads. */
  leads(): boolean;
}

export function makePage(source: MetricsSource): Promise<string> {
  return collectPage({
    serviceName: 'l7mp-controlplane',
    observe: (meter) => {
      observeControlPlane(meter, source);
      observeProcess(meter);
    },
    histograms: (resource) =>
      durationMetric(resource, {
        name: 'l7mp.controlplane.answer.duration',
        description: 'Time from a response of the discovery service to its ACK or NACK, by type',
        durations: [...source.totals.types].map(([type, { answers }]) => ({ attributes: { type }, counted: answers })),
      }),
  });
}

function observeControlPlane(meter: Meter, source: MetricsSource): void {
  const gauge = (name: string, description: string) =>
    meter.createObservableGauge(`l7mp.controlplane.${name}`, { description });
  const counter = (name: string, description: string) =>
    meter.createObservableCounter(`l7mp.controlplane.${name}`, { description });
  const connections = gauge('connections', 'Open connections');
  const proxies = gauge('proxies', 'Connected proxies, by the variant of the protocol');
  const connects = counter('proxies.connected', 'Proxies that have connected');
  const views = gauge('views', 'Groups of proxies that see the same');
  const acks = counter('acks', 'Responses that proxies took, by type');
  const nacks = counter('nacks', 'Responses that proxies refused, by type');
  const objects = gauge('objects', 'Configuration objects, by kind and state: valid or invalid');
  const revision = gauge('store.revision', "The store's revision");
  const leader = gauge('leader', 'Whether this replica leads: 1 or 0');
  const all = [connections, proxies, connects, views, acks, nacks, objects, revision, leader];
  meter.addBatchObservableCallback((result: BatchObservableResult) => {
    const { totals } = source;
    result.observe(connections, source.connections());
    result.observe(proxies, totals.proxies.delta, { variant: 'delta' });
    result.observe(proxies, totals.proxies.sotw, { variant: 'sotw' });
    result.observe(connects, totals.connects);
    result.observe(views, source.views());
    for (const [type, { acks: taken, nacks: refused }] of totals.types) {
      result.observe(acks, taken, { type });
      result.observe(nacks, refused, { type });
    }
    for (const { kind, valid, count } of source.objects()) {
      result.observe(objects, count, { kind, state: valid ? 'valid' : 'invalid' });
    }
    result.observe(revision, source.revision());
    result.observe(leader, source.leads() ? 1 : 0);
  }, all);
}
