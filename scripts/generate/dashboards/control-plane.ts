/** The dashboard of the control plane. */
import { INSTANCE, instanceFilters, makeDashboard, quantiles, type Row, series, stat } from './panels.ts';
import { processRow } from './process.ts';
import { telemetryRow } from './telemetry.ts';

const rate = (metric: string): string => `rate(${metric}{${INSTANCE}}[$__rate_interval])`;

const overview: Row = {
  title: 'Overview',
  panels: [
    stat('Replicas', { unit: 'short', good: 1 }, [`count(l7mp_controlplane_leader{${INSTANCE}})`, '']),
    stat('Leaders', { unit: 'short', good: 1, bad: 2, description: 'One, whatever the number of replicas.' }, [
      `sum(l7mp_controlplane_leader{${INSTANCE}})`,
      '',
    ]),
    stat('Connected proxies', { unit: 'short' }, [`sum(l7mp_controlplane_proxies{${INSTANCE}})`, '']),
    stat('Objects', { unit: 'short' }, [`max(l7mp_controlplane_objects{${INSTANCE},state="valid"})`, '']),
    stat('Invalid objects', { unit: 'short', bad: 1 }, [
      `max(l7mp_controlplane_objects{${INSTANCE},state="invalid"})`,
      '',
    ]),
    stat('The certificate ends in', { unit: 's', good: 14 * 86_400 }, [
      `min(l7mp_controlplane_certificate_expiry_timestamp_seconds{${INSTANCE}}) - time()`,
      '',
    ]),
  ],
};

const proxies: Row = {
  title: 'Proxies',
  panels: [
    series('Proxies by variant', { unit: 'short', stacked: true }, [
      `sum by (variant) (l7mp_controlplane_proxies{${INSTANCE}})`,
      '{{variant}}',
    ]),
    series('Connections by replica', { unit: 'short', description: 'Of proxies and commands.' }, [
      `l7mp_controlplane_connections{${INSTANCE}}`,
      '{{instance}}',
    ]),
    series('Proxies that connect', { unit: 'cps' }, [
      rate('l7mp_controlplane_proxies_connected_total'),
      '{{instance}}',
    ]),
    series('Views by replica', { unit: 'short', description: 'Groups of proxies that see the same.' }, [
      `l7mp_controlplane_views{${INSTANCE}}`,
      '{{instance}}',
    ]),
    series(
      'Answers of proxies',
      { unit: 'cps' },
      [`sum by (type) (${rate('l7mp_controlplane_acks_total')})`, '{{type}} ACK'],
      [`sum by (type) (${rate('l7mp_controlplane_nacks_total')})`, '{{type}} NACK'],
    ),
    series(
      'Resources with faults',
      {
        unit: 'short',
        stacked: true,
        description: 'Refused, failed, or waiting for others; each as often as there are proxies.',
      },
      [`sum by (type, kind) (l7mp_controlplane_resource_faults{${INSTANCE}})`, '{{type}} {{kind}}'],
    ),
    series(
      'Time from a response to its answer',
      { unit: 's' },
      ...quantiles('l7mp_controlplane_answer_duration_seconds', INSTANCE, ['type']),
    ),
  ],
};

const configuration: Row = {
  title: 'Configuration',
  panels: [
    series('Objects by state', { unit: 'short', stacked: true }, [
      `max by (state) (l7mp_controlplane_objects{${INSTANCE}})`,
      '{{state}}',
    ]),
    series("The store's revision", { unit: 'none', description: 'Replicas are to be at the same one.' }, [
      `l7mp_controlplane_store_revision{${INSTANCE}}`,
      '{{instance}}',
    ]),
    series('Who leads', { unit: 'bool_yes_no' }, [`l7mp_controlplane_leader{${INSTANCE}}`, '{{instance}}']),
    series('Pushes that failed', { unit: 'cps', description: 'They are tried again.' }, [
      rate('l7mp_controlplane_push_failures_total'),
      '{{instance}}',
    ]),
  ],
};

const REPLICAS = 'l7mp_controlplane_leader';

export const controlPlaneDashboard = (): string =>
  makeDashboard({
    uid: 'l7mp-control-plane',
    title: 'l7mp / Control plane',
    description: 'Proxies, configuration and replicas of the control plane.',
    filters: instanceFilters(REPLICAS),
    rows: [overview, proxies, configuration, telemetryRow(INSTANCE), processRow(INSTANCE)],
  });
