import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { Histogram } from '../../../../common/histogram.ts';
import { makePrometheusPage } from '../../../../common/telemetry/prometheus-page.ts';
import { controlPlaneMetrics, type Figures } from '../../../../controlplane/telemetry/metrics.ts';
import { ControlPlaneTotals } from '../../../../controlplane/telemetry/totals.ts';
import { until } from '../../../support/until.ts';

/** The control plane's page. */
async function page(more: Partial<Figures> = {}): Promise<string> {
  const totals = new ControlPlaneTotals();
  totals.observe({ type: 'ack', id: 'p', typeUrl: 't', versions: new Map(), removed: [], elapsedMs: 1 });
  const figures: Figures = {
    ...{
      totals,
      linesLost: 0,
      connections: 1,
      views: 1,
      faults: [{ type: 't', kind: 'failed', count: 1 }],
      objects: 3,
      quarantined: 1,
      pushFailures: 0,
      revision: 7,
      leads: true,
    },
    ...more,
  };
  // The event loop is sampled from the first page on.
  return await until('metrics of the event loop', async () => {
    const text = await makePrometheusPage(
      controlPlaneMetrics(() => figures, undefined),
      'l7mp-controlplane',
      'prometheus',
    );
    return text.includes('nodejs_') && text;
  });
}

function kubernetes(): NonNullable<Figures['kubernetes']> {
  const durations = new Histogram([10]);
  durations.add(2);
  durations.add(2000);
  const counted = { objects: 4, lists: 1, errors: 2 };
  return {
    watches: [
      { kind: 'Service', state: 'watching', watches: 3, ...counted },
      { kind: 'Pod', state: 'listing', watches: 0, ...counted },
    ],
    queues: new Map([['statuses', { length: 5, failed: 6, durations }]]),
  };
}

describe("the control plane's metrics", () => {
  it('are those that docs/observability.md explains', async () => {
    const [, ofControlPlane = ''] = readFileSync('docs/observability.md', 'utf8').split(
      '## Metrics of the control plane',
    );
    const explained = [...ofControlPlane.matchAll(/^\| `(l7mp_[a-z0-9_]+)`/gmu)].map(([, name]) => name);
    const text = await page({ certificateExpiry: 1000, kubernetes: kubernetes() });
    const served = [...text.matchAll(/^# TYPE (l7mp_\S+)/gmu)].map(([, name]) => name);
    expect(served).to.have.members(explained);
  });

  it('have nothing of Kubernetes and certificates where there are none', async () => {
    const text = await page();
    expect(text).to.not.match(/kubernetes|certificate/u);
  });

  it('tell how the work with Kubernetes goes', async () => {
    const text = await page({ certificateExpiry: 1_500_000, kubernetes: kubernetes() });
    for (const line of [
      'l7mp_controlplane_certificate_expiry_timestamp_seconds 1500',
      'l7mp_kubernetes_watch_connected{kind="Service"} 1',
      'l7mp_kubernetes_watch_connected{kind="Pod"} 0',
      'l7mp_kubernetes_watch_restarts_total{kind="Service"} 2',
      'l7mp_kubernetes_watch_restarts_total{kind="Pod"} 0',
      'l7mp_kubernetes_watch_failures_total{kind="Service"} 2',
      'l7mp_kubernetes_lists_total{kind="Service"} 1',
      'l7mp_kubernetes_objects{kind="Service"} 4',
      'l7mp_kubernetes_queue_depth{queue="statuses"} 5',
      'l7mp_kubernetes_reconcile_failures_total{queue="statuses"} 6',
      'l7mp_kubernetes_reconcile_duration_seconds_sum{queue="statuses"} 2.002',
      'l7mp_kubernetes_reconcile_duration_seconds_bucket{queue="statuses",le="0.01"} 1',
    ]) {
      expect(text).to.include(`${line}\n`);
    }
  });

  it('have each kind of fault of each type, also where there is none', async () => {
    const text = await page();
    for (const [kind, count] of Object.entries({ NACK: 0, failed: 1, waiting: 0 })) {
      expect(text).to.include(`l7mp_controlplane_resource_faults{type="t",kind="${kind}"} ${count}\n`);
    }
  });

  it('tell how many descriptors there may be', async () => {
    const limit = execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim();
    expect(await page()).to.include(`process_open_file_descriptor_limit ${limit}\n`);
  });
});
