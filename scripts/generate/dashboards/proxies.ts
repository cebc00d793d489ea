/** The dashboard of proxies: sessions, traffic, clusters, offload. */
import { INSTANCE, instanceFilters, makeDashboard, quantiles, type Row, series, stat } from './panels.ts';
import { processRow } from './process.ts';
import { telemetryRow } from './telemetry.ts';

const LISTENER = `${INSTANCE},listener=~"$listener"`;
const CLUSTER = `${INSTANCE},cluster=~"$cluster"`;

const rate = (metric: string, selector: string): string => `rate(${metric}{${selector}}[$__rate_interval])`;
const sumRate = (by: string, metric: string, selector: string): string => `sum by (${by}) (${rate(metric, selector)})`;

const overview: Row = {
  title: 'Overview',
  panels: [
    stat('Proxies', { unit: 'short', good: 1 }, [`count(target_info{${INSTANCE},service_name="l7mp"})`, '']),
    stat('Open sessions', { unit: 'short' }, [`sum(l7mp_sessions_active{${LISTENER}})`, '']),
    stat('New sessions', { unit: 'cps' }, [`sum(${rate('l7mp_sessions_opened_total', LISTENER)})`, '']),
    stat('Traffic', { unit: 'Bps', description: 'Payload in both directions.' }, [
      `sum(${rate('l7mp_listener_bytes_total', LISTENER)})`,
      '',
    ]),
    stat('Relayed by the kernel', { unit: 'percentunit', description: 'Share of the bytes.' }, [
      `sum(${rate('l7mp_listener_bytes_total', `${LISTENER},path="kernel"`)}) / sum(${rate('l7mp_listener_bytes_total', LISTENER)})`,
      '',
    ]),
    stat('Usable endpoints', { unit: 'percentunit', good: 0.75 }, [
      `sum(l7mp_cluster_endpoints{${CLUSTER},health="healthy"}) / sum(l7mp_cluster_endpoints{${CLUSTER}})`,
      '',
    ]),
  ],
};

const sessions: Row = {
  title: 'Sessions',
  panels: [
    series('Open sessions by listener', { unit: 'short', stacked: true }, [
      `sum by (listener) (l7mp_sessions_active{${LISTENER}})`,
      '{{listener}}',
    ]),
    series('New sessions by listener', { unit: 'cps' }, [
      sumRate('listener', 'l7mp_sessions_opened_total', LISTENER),
      '{{listener}}',
    ]),
    series('Ended sessions by reason', { unit: 'cps', description: 'OK, or a code of the catalogue of errors.' }, [
      sumRate('reason', 'l7mp_sessions_closed_total', LISTENER),
      '{{reason}}',
    ]),
    series('Clients that got no session', { unit: 'cps', description: 'Limits, no descriptors, bad requests.' }, [
      sumRate('listener, reason', 'l7mp_sessions_refused_total', LISTENER),
      '{{listener}} {{reason}}',
    ]),
    series(
      'How long sessions lasted',
      { unit: 's', description: 'That have ended, by listener.' },
      ...quantiles('l7mp_session_duration_seconds', LISTENER, ['listener']),
    ),
    series('Retries by listener', { unit: 'cps', description: 'Stages that were connected again.' }, [
      sumRate('listener', 'l7mp_sessions_retries_total', LISTENER),
      '{{listener}}',
    ]),
    series(
      'Certificates end in',
      {
        unit: 's',
        signed: true,
        description: 'The first that ends of those that a listener shows; below zero it has ended.',
      },
      [`min by (listener) (l7mp_listener_certificate_expiry_timestamp_seconds{${LISTENER}}) - time()`, '{{listener}}'],
    ),
  ],
};

const answers: Row = {
  title: 'Answers',
  panels: [
    series(
      'How long HTTP requests took',
      { unit: 's', description: 'By listener.' },
      ...quantiles('http_server_request_duration_seconds', LISTENER, ['listener']),
    ),
    series(
      'How long HTTP endpoints took',
      { unit: 's', description: 'Each attempt, by cluster.' },
      ...quantiles('http_client_request_duration_seconds', CLUSTER, ['cluster']),
    ),
    series(
      'HTTP answers by listener',
      { unit: 'cps', description: 'By class of status, those of the proxy itself included.' },
      [
        sumRate('listener, status_class', 'l7mp_listener_http_responses_total', LISTENER),
        '{{listener}} {{status_class}}',
      ],
    ),
    series('HTTP answers with 5xx by cluster', { unit: 'percentunit', description: 'Share of its answers.' }, [
      `${sumRate('cluster', 'l7mp_cluster_http_responses_total', `${CLUSTER},status_class="5xx"`)} / ${sumRate('cluster', 'l7mp_cluster_http_responses_total', CLUSTER)}`,
      '{{cluster}}',
    ]),
    series(
      'gRPC answers by status',
      { unit: 'cps' },
      [sumRate('listener, status', 'l7mp_listener_grpc_responses_total', LISTENER), '{{listener}} {{status}}'],
      [sumRate('cluster, status', 'l7mp_cluster_grpc_responses_total', CLUSTER), 'to {{cluster}} {{status}}'],
    ),
  ],
};

const configuration: Row = {
  title: 'Configuration',
  panels: [
    series(
      'Listeners by state',
      {
        unit: 'short',
        stacked: true,
        description: 'degraded: lack what they name; warming: wait; failed: can not listen.',
      },
      [`sum by (state) (l7mp_listeners{${INSTANCE}})`, '{{state}}'],
    ),
    series('The configuration file was taken', { unit: 'bool_yes_no', description: 'When it was read last.' }, [
      `l7mp_config_last_reload_successful{${INSTANCE}}`,
      '{{instance}}',
    ]),
    series('Reloads by result', { unit: 'cps', description: 'Of the configuration file.' }, [
      sumRate('result', 'l7mp_config_reloads_total', INSTANCE),
      '{{result}}',
    ]),
  ],
};

const traffic: Row = {
  title: 'Traffic',
  panels: [
    series('Bytes by listener', { unit: 'Bps' }, [
      sumRate('listener, direction', 'l7mp_listener_bytes_total', LISTENER),
      '{{listener}} {{direction}}',
    ]),
    series('Packets by listener', { unit: 'pps', description: 'Datagrams, or chunks of byte streams.' }, [
      sumRate('listener, direction', 'l7mp_listener_packets_total', LISTENER),
      '{{listener}} {{direction}}',
    ]),
    series(
      'Dropped datagrams by listener',
      { unit: 'pps', description: 'limit: queues and rates of the proxy; overflow: receive buffers of the kernel.' },
      [
        sumRate('listener, direction, reason', 'l7mp_listener_dropped_total', LISTENER),
        '{{listener}} {{direction}} {{reason}}',
      ],
    ),
    series('Bytes by cluster', { unit: 'Bps' }, [
      sumRate('cluster, direction', 'l7mp_cluster_bytes_total', CLUSTER),
      '{{cluster}} {{direction}}',
    ]),
    series('Packets by cluster', { unit: 'pps' }, [
      sumRate('cluster, direction', 'l7mp_cluster_packets_total', CLUSTER),
      '{{cluster}} {{direction}}',
    ]),
    series('Dropped datagrams by cluster', { unit: 'pps' }, [
      sumRate('cluster, direction, reason', 'l7mp_cluster_dropped_total', CLUSTER),
      '{{cluster}} {{direction}} {{reason}}',
    ]),
    series(
      'Metric clusters',
      { unit: 'Bps', description: 'What passed clusters of the protocol Metric, by their names.' },
      [sumRate('name', 'l7mp_metric_bytes_total', INSTANCE), '{{name}}'],
    ),
    series('Metric clusters, packets', { unit: 'pps' }, [
      sumRate('name', 'l7mp_metric_packets_total', INSTANCE),
      '{{name}}',
    ]),
  ],
};

const clusters: Row = {
  title: 'Clusters',
  panels: [
    series('Open sessions by cluster', { unit: 'short', stacked: true }, [
      `sum by (cluster) (l7mp_cluster_sessions_active{${CLUSTER}})`,
      '{{cluster}}',
    ]),
    series(
      'Time to connect',
      { unit: 's' },
      ...quantiles('l7mp_cluster_connect_duration_seconds', CLUSTER, ['cluster']),
    ),
    series('Sessions by cluster', { unit: 'cps' }, [
      sumRate('cluster', 'l7mp_cluster_sessions_opened_total', CLUSTER),
      '{{cluster}}',
    ]),
    series('Connects by cluster', { unit: 'cps' }, [
      sumRate('cluster', 'l7mp_cluster_connect_duration_seconds_count', CLUSTER),
      '{{cluster}}',
    ]),
    series('Failures by cluster', { unit: 'cps', description: 'Failed connects and broken sessions.' }, [
      sumRate('cluster, reason', 'l7mp_cluster_failures_total', CLUSTER),
      '{{cluster}} {{reason}}',
    ]),
    series(
      'Endpoints by health',
      { unit: 'short', stacked: true, description: 'As each proxy sees them: their mean.' },
      [`sum by (health) (avg by (cluster, health) (l7mp_cluster_endpoints{${CLUSTER}}))`, '{{health}}'],
    ),
    series('Usable endpoints by cluster', { unit: 'percentunit' }, [
      `sum by (cluster) (l7mp_cluster_endpoints{${CLUSTER},health="healthy"}) / sum by (cluster) (l7mp_cluster_endpoints{${CLUSTER}})`,
      '{{cluster}}',
    ]),
  ],
};

const offload: Row = {
  title: 'Offload',
  panels: [
    series('Bytes by path', { unit: 'Bps', stacked: true, description: 'Relayed in user space, or by the kernel.' }, [
      sumRate('path', 'l7mp_listener_bytes_total', LISTENER),
      '{{path}}',
    ]),
    series(
      'Sessions that the kernel relays',
      { unit: 'short' },
      [`sum by (transport) (l7mp_offload_flows{${INSTANCE}})`, '{{transport}}'],
      [`sum by (transport) (l7mp_offload_capacity{${INSTANCE}})`, '{{transport}} capacity'],
    ),
    series(
      'Moves',
      { unit: 'cps', description: 'Sessions given to the kernel, and taken back before they ended.' },
      [`sum(${rate('l7mp_offload_handovers_total', INSTANCE)})`, 'to the kernel'],
      [`sum(${rate('l7mp_offload_handbacks_total', INSTANCE)})`, 'back'],
    ),
    series('Refusals by reason', { unit: 'cps', description: 'Sessions kept or thrown out of the kernel.' }, [
      sumRate('reason', 'l7mp_offload_refusals_total', INSTANCE),
      '{{reason}}',
    ]),
    series('Offload is on', { unit: 'bool_yes_no', description: 'Of proxies that are to have it.' }, [
      `l7mp_offload_enabled{${INSTANCE}}`,
      '{{instance}} {{transport}}',
    ]),
  ],
};

const taps: Row = {
  title: 'Taps',
  panels: [
    series('Taps', { unit: 'short', description: 'That look at sessions now; the kernel relays none of those.' }, [
      `l7mp_taps_active{${INSTANCE}}`,
      '{{instance}}',
    ]),
    series(
      'Messages in taps',
      { unit: 'cps', description: 'Told to their readers, and dropped since those were slow or the rate too high.' },
      [`sum(${rate('l7mp_taps_messages_total', INSTANCE)})`, 'told'],
      [`sum(${rate('l7mp_taps_dropped_total', INSTANCE)})`, 'dropped'],
    ),
    series('Bytes in taps', { unit: 'Bps' }, [rate('l7mp_taps_bytes_total', INSTANCE), '{{instance}}']),
    series('Taps that were started', { unit: 'cps', description: 'The log says who looked at what.' }, [
      rate('l7mp_taps_started_total', INSTANCE),
      '{{instance}}',
    ]),
  ],
};

const accessLog: Row = {
  title: 'Access log',
  panels: [
    series(
      'Lines of the access log that were lost',
      { unit: 'cps', description: 'The disk is full, or too slow: the proxy says on stderr which.' },
      [rate('l7mp_access_log_lines_lost_total', INSTANCE), '{{instance}}'],
    ),
  ],
};

const PROXIES = 'target_info{service_name="l7mp"}';

export const proxiesDashboard = (): string =>
  makeDashboard({
    uid: 'l7mp-proxies',
    title: 'l7mp / Proxies',
    description: 'Sessions, traffic, clusters, offload and taps of proxies.',
    filters: [
      ...instanceFilters(PROXIES),
      { name: 'listener', from: 'l7mp_sessions_opened_total' },
      { name: 'cluster', from: 'l7mp_cluster_endpoints' },
    ],
    rows: [
      overview,
      sessions,
      answers,
      configuration,
      traffic,
      clusters,
      offload,
      taps,
      accessLog,
      telemetryRow(INSTANCE),
      processRow(INSTANCE),
    ],
  });
