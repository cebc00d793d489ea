/** The control plane's metrics. Plain counters are read when they are asked for. */
import type { BatchObservableResult, Meter } from '@opentelemetry/api';
import type { MetricSource } from '../../common/telemetry/collect.ts';
import { durationMetric } from '../../common/telemetry/durations.ts';
import { observeProcess } from '../../common/telemetry/process-instruments.ts';
import { FAULT_KINDS } from '../core/fault-kinds.ts';
import type { KubernetesFigures } from '../core/kubernetes-figures.ts';
import { observeKubernetes, reconcileDurations } from './kubernetes-metrics.ts';
import type { ControlPlaneTotals } from './totals.ts';

/** What is counted. */
export interface Figures {
  readonly totals: ControlPlaneTotals;
  /** Lines of the log that were lost. */
  readonly linesLost: number;
  /** Connections that are open. */
  readonly connections: number;
  /** Groups of proxies that see the same. */
  readonly views: number;
  /** What proxies refused, or what fails in them: by type URL and kind. */
  readonly faults: readonly { readonly type: string; readonly kind: string; readonly count: number }[];
  /** Configuration objects, */
  readonly objects: number;
  /** and those of them that can't be used. */
  readonly quarantined: number;
  /** Times that a change could not be brought to proxies. */
  readonly pushFailures: number;
  /** The store's revision that proxies are given. */
  readonly revision: number;
  /** Whether this replica leads. */
  readonly leads: boolean;
  /** When the certificate that the control plane shows ends, in ms since the epoch; undefined where they are shown none. */
  readonly certificateExpiry?: number | undefined;
  /** Undefined where it doesn't follow Kubernetes. */
  readonly kubernetes?: KubernetesFigures | undefined;
}

/** `figures` is asked anew each time that they are collected. */
export function controlPlaneMetrics(figures: () => Figures, others: MetricSource['others']): MetricSource {
  return {
    observe: (meter) => {
      const now = figures();
      observeControlPlane(meter, now);
      if (now.kubernetes) observeKubernetes(meter, now.kubernetes);
      observeProcess(meter, () => now.linesLost);
    },
    histograms: () => {
      const { totals, kubernetes } = figures();
      return [
        durationMetric({
          name: 'l7mp.controlplane.answer.duration',
          description: 'Time from a response of the discovery service to its ACK or NACK, by type',
          durations: [...totals.types].map(([type, { answers }]) => ({ attributes: { type }, counted: answers })),
        }),
        ...(kubernetes ? [reconcileDurations(kubernetes)] : []),
      ];
    },
    others,
  };
}

function observeControlPlane(meter: Meter, figures: Figures): void {
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
  const faults = gauge(
    'resource.faults',
    'Resources that proxies refused, or that fail or wait in them, by type and kind',
  );
  const objects = gauge('objects', 'Configuration objects, by state: valid or invalid');
  const failures = counter('push.failures', 'Times that a change could not be brought to proxies; it is tried again');
  const revision = gauge('store.revision', "The store's revision that proxies are given");
  const leader = gauge('leader', 'Whether this replica leads: 1 or 0');
  const expiry = meter.createObservableGauge('l7mp.controlplane.certificate.expiry.timestamp', {
    description: 'When the certificate that the control plane shows ends, since the epoch',
    unit: 's',
  });
  const all = [expiry, connections, proxies, connects, views, acks, nacks, faults, objects, failures, revision, leader];
  meter.addBatchObservableCallback((result: BatchObservableResult) => {
    const { totals } = figures;
    result.observe(connections, figures.connections);
    result.observe(proxies, totals.proxies.delta, { variant: 'delta' });
    result.observe(proxies, totals.proxies.sotw, { variant: 'sotw' });
    result.observe(connects, totals.connects);
    result.observe(views, figures.views);
    for (const [type, { acks: taken, nacks: refused }] of totals.types) {
      result.observe(acks, taken, { type });
      result.observe(nacks, refused, { type });
      for (const kind of FAULT_KINDS) result.observe(faults, 0, { type, kind });
    }
    // In the place of the zeros: of what is observed twice the last counts.
    for (const { type, kind, count } of figures.faults) result.observe(faults, count, { type, kind });
    result.observe(objects, figures.objects - figures.quarantined, { state: 'valid' });
    result.observe(objects, figures.quarantined, { state: 'invalid' });
    result.observe(failures, figures.pushFailures);
    result.observe(revision, figures.revision);
    result.observe(leader, figures.leads ? 1 : 0);
    if (figures.certificateExpiry !== undefined) result.observe(expiry, figures.certificateExpiry / 1000);
  }, all);
}
