/** What the control plane does with Kubernetes, as instruments: watches by kind, work by what it is about. */
import type { Meter } from '@opentelemetry/api';
import type { MetricData } from '@opentelemetry/sdk-metrics';
import { durationMetric } from '../../common/telemetry/durations.ts';
import type { KubernetesFigures } from '../core/kubernetes-figures.ts';

export function observeKubernetes(meter: Meter, { watches, queues }: KubernetesFigures): void {
  const gauge = (name: string, description: string) =>
    meter.createObservableGauge(`l7mp.kubernetes.${name}`, { description });
  const counter = (name: string, description: string) =>
    meter.createObservableCounter(`l7mp.kubernetes.${name}`, { description });
  const connected = gauge('watch.connected', 'Whether what is held of a kind is what the API server has: 1 or 0');
  const restarts = counter('watch.restarts', 'Watches that were begun again, by kind; the API server ends them, too');
  const errors = counter('watch.failures', 'Lists and watches that failed, by kind');
  const lists = counter('lists', 'Full lists that were made, by kind');
  const objects = gauge('objects', 'Objects that are held, by kind');
  const depth = gauge('queue.depth', 'Work that waits, also for another try, by queue');
  const failures = counter('reconcile.failures', 'Work that failed, by queue; it is tried again');
  meter.addBatchObservableCallback(
    (result) => {
      for (const { kind, state, ...counted } of watches) {
        result.observe(connected, state === 'watching' ? 1 : 0, { kind });
        result.observe(restarts, Math.max(0, counted.watches - 1), { kind });
        result.observe(errors, counted.errors, { kind });
        result.observe(lists, counted.lists, { kind });
        result.observe(objects, counted.objects, { kind });
      }
      for (const [queue, { length, failed }] of queues) {
        result.observe(depth, length, { queue });
        result.observe(failures, failed, { queue });
      }
    },
    [connected, restarts, errors, lists, objects, depth, failures],
  );
}

export function reconcileDurations({ queues }: KubernetesFigures): MetricData {
  return durationMetric({
    name: 'l7mp.kubernetes.reconcile.duration',
    description: 'Time that work took, by queue',
    durations: Array.from(queues, ([queue, { durations }]) => ({ attributes: { queue }, counted: durations })),
  });
}
