/** Of each alert: series with which it fires, and series that are just as far from it as is ordinary. */

export interface AlertCase {
  readonly alert: string;
  /** What this case is about, where an alert has several. */
  readonly when?: string;
  /** Values by series, in promtool's notation. */
  readonly fires: Readonly<Record<string, string>>;
  readonly silent: Readonly<Record<string, string>>;
  /** How far apart the values are, and the evaluations; 1m when absent. */
  readonly every?: string;
  /** When it is looked at; 60m when absent. */
  readonly at?: string;
  /** Labels of the alert beside job and severity. */
  readonly labels?: Readonly<Record<string, string>>;
}

const on = (name: string, labels: string): string => `${name}{job="l7mp"${labels === '' ? '' : `,${labels}`}}`;
const process = { [on('target_info', 'instance="a",service_name="l7mp"')]: '1x200' };
const ofOthers = { [on('target_info', 'instance="a",service_name="other"')]: '1x200' };

const endpoints = (healthy: string, unhealthy: string): Record<string, string> => ({
  [on('l7mp_cluster_endpoints', 'instance="a",cluster="c",health="healthy"')]: healthy,
  [on('l7mp_cluster_endpoints', 'instance="a",cluster="c",health="unhealthy"')]: unhealthy,
});
const empty = (failed: string): Record<string, string> => ({
  ...endpoints('0x60', '0x60'),
  [on('l7mp_cluster_failures_total', 'instance="a",cluster="c",reason="NO_ENDPOINT"')]: failed,
});
/** With few connects that are kept, as HTTP has them. */
const failures = (failed: string, opened: string): Record<string, string> => ({
  [on('l7mp_cluster_failures_total', 'instance="a",cluster="c",reason="CONNECT_REFUSED"')]: failed,
  [on('l7mp_cluster_sessions_opened_total', 'instance="a",cluster="c"')]: opened,
  [on('l7mp_cluster_connect_duration_seconds_count', 'instance="a",cluster="c"')]: '0+1x60',
});
const buckets = (name: string, labels: string, quick: string, all: string): Record<string, string> => ({
  [on(`${name}_bucket`, `instance="a",${labels},le="0.1"`)]: quick,
  [on(`${name}_bucket`, `instance="a",${labels},le="10"`)]: all,
  [on(`${name}_bucket`, `instance="a",${labels},le="+Inf"`)]: all,
});
const sessions = (refused: string, opened: string): Record<string, string> => ({
  [on('l7mp_sessions_refused_total', 'instance="a",listener="l",reason="LIMIT_EXCEEDED"')]: refused,
  ...(opened !== '' && { [on('l7mp_sessions_opened_total', 'instance="a",listener="l"')]: opened }),
});
const answers = (kind: string, labels: readonly [bad: string, good: string], bad: string): Record<string, string> => ({
  ...one(`l7mp_listener_${kind}_responses_total`, `listener="l",${labels[0]}`, bad),
  ...one(`l7mp_listener_${kind}_responses_total`, `listener="l",${labels[1]}`, '0+6000x60'),
});
const datagrams = (dropped: string): Record<string, string> => ({
  [on('l7mp_listener_dropped_total', 'instance="a",listener="l",direction="ingress",reason="limit"')]: dropped,
  [on('l7mp_listener_packets_total', 'instance="a",listener="l",direction="ingress",path="user"')]: '0+3000x60',
  [on('l7mp_listener_packets_total', 'instance="a",listener="l",direction="ingress",path="kernel"')]: '0+3000x60',
});
const two = (name: string, a: string, b: string): Record<string, string> => ({
  [on(name, 'instance="a"')]: a,
  [on(name, 'instance="b"')]: b,
});
const one = (name: string, labels: string, values: string): Record<string, string> => ({
  [on(name, `instance="a"${labels === '' ? '' : `,${labels}`}`)]: values,
});
const descriptors = (open: string): Record<string, string> => ({
  ...one('process_open_file_descriptors', '', open),
  ...one('process_open_file_descriptor_limit', '', '1000x60'),
});
const telemetry = (lost: string, sent: string): Record<string, string> => ({
  ...one(
    'otel_sdk_processor_span_processed_total',
    'otel_component_type="batching_span_processor",error_type="queue_full"',
    lost,
  ),
  ...one('otel_sdk_processor_span_processed_total', 'otel_component_type="batching_span_processor"', sent),
  ...one('otel_sdk_exporter_metric_data_point_exported_total', 'otel_component_type="otlp_http_metric_exporter"', sent),
});
const DAY = 86_400;

export const CASES: readonly AlertCase[] = [
  {
    alert: 'L7mpNoUsableEndpoint',
    fires: endpoints('0x60', '2x60'),
    silent: endpoints('1x60', '1x60'),
    labels: { cluster: 'c' },
  },
  {
    alert: 'L7mpNoUsableEndpoint',
    when: 'a cluster has no endpoints at all',
    fires: empty('0+1x60'),
    silent: empty('5x60'),
    labels: { cluster: 'c' },
  },
  {
    alert: 'L7mpEndpointsUnhealthy',
    fires: endpoints('1x60', '1x60'),
    silent: endpoints('3x60', '1x60'),
    labels: { cluster: 'c' },
  },
  {
    alert: 'L7mpConnectsFail',
    fires: failures('0+6x60', '0+60x60'),
    silent: failures('0+6x60', '0+600x60'),
    labels: { cluster: 'c' },
  },
  {
    alert: 'L7mpConnectsSlow',
    fires: buckets('l7mp_cluster_connect_duration_seconds', 'cluster="c"', '0+90x60', '0+100x60'),
    silent: buckets('l7mp_cluster_connect_duration_seconds', 'cluster="c"', '0+100x60', '0+100x60'),
    labels: { cluster: 'c' },
  },
  {
    alert: 'L7mpSessionsRefused',
    fires: sessions('0+6x60', ''),
    silent: sessions('0+6x60', '0+6000x60'),
    labels: { listener: 'l' },
  },
  {
    alert: 'L7mpHttpErrors',
    fires: answers('http', ['status_class="5xx"', 'status_class="2xx"'], '0+600x60'),
    silent: answers('http', ['status_class="5xx"', 'status_class="2xx"'], '0+240x60'),
    labels: { listener: 'l' },
  },
  {
    alert: 'L7mpGrpcErrors',
    fires: answers('grpc', ['status="UNAVAILABLE"', 'status="OK"'], '0+600x60'),
    silent: answers('grpc', ['status="NOT_FOUND"', 'status="OK"'], '0+600x60'),
    labels: { listener: 'l' },
  },
  {
    alert: 'L7mpDatagramsDropped',
    fires: datagrams('0+66x60'),
    silent: datagrams('0+54x60'),
    labels: { listener: 'l', reason: 'limit' },
  },
  {
    alert: 'L7mpListenerCertificateExpires',
    fires: one('l7mp_listener_certificate_expiry_timestamp_seconds', 'listener="l"', `${14 * DAY}x90`),
    silent: one('l7mp_listener_certificate_expiry_timestamp_seconds', 'listener="l"', `${16 * DAY}x90`),
    at: '90m',
    labels: { listener: 'l' },
  },
  {
    alert: 'L7mpListenersFail',
    fires: one('l7mp_listeners', 'state="failed"', '0x50 1x10'),
    silent: { ...one('l7mp_listeners', 'state="failed"', '0x60'), ...one('l7mp_listeners', 'state="serving"', '3x60') },
    labels: { instance: 'a', state: 'failed' },
  },
  {
    alert: 'L7mpReloadRefused',
    fires: one('l7mp_config_last_reload_successful', '', '1x50 0x10'),
    silent: one('l7mp_config_last_reload_successful', '', '1x50 0x2 1x8'),
    labels: { instance: 'a' },
  },
  {
    alert: 'L7mpOffloadOff',
    fires: one('l7mp_offload_enabled', 'transport="udp"', '0x60'),
    silent: one('l7mp_offload_enabled', 'transport="udp"', '1x60'),
    labels: { instance: 'a', transport: 'udp' },
  },
  {
    alert: 'L7mpOffloadFull',
    fires: {
      ...one('l7mp_offload_flows', 'transport="udp"', '95x60'),
      ...one('l7mp_offload_capacity', 'transport="udp"', '100x60'),
    },
    silent: {
      ...one('l7mp_offload_flows', 'transport="udp"', '0x60'),
      ...one('l7mp_offload_capacity', 'transport="udp"', '0x60'),
    },
    labels: { instance: 'a', transport: 'udp' },
  },
  {
    alert: 'L7mpProxyDisconnected',
    fires: two('l7mp_xds_client_connected', '0x60', '1x60'),
    silent: two('l7mp_xds_client_connected', '1x55 0x5', '1x60'),
    labels: { instance: 'a' },
  },
  {
    alert: 'L7mpProxiesDisconnected',
    fires: two('l7mp_xds_client_connected', '0x60', '0x60'),
    silent: two('l7mp_xds_client_connected', '0x60', '1x60'),
  },
  {
    alert: 'L7mpProxyRefusesConfiguration',
    fires: one('l7mp_xds_client_responses_total', 'type="Listener",result="nack"', '_x57 1x3'),
    silent: {
      ...one('l7mp_xds_client_responses_total', 'type="Listener",result="nack"', '1x60'),
      ...one('l7mp_xds_client_responses_total', 'type="Listener",result="ack"', '0+1x60'),
    },
    labels: { instance: 'a', type: 'Listener' },
  },
  {
    alert: 'L7mpConfigurationRefused',
    fires: one('l7mp_controlplane_nacks_total', 'type="Listener"', '1x55 2x5'),
    silent: one('l7mp_controlplane_nacks_total', 'type="Listener"', '0x20 2x40'),
    labels: { type: 'Listener' },
  },
  {
    alert: 'L7mpObjectsInvalid',
    fires: one('l7mp_controlplane_objects', 'state="invalid"', '2x60'),
    silent: {
      ...one('l7mp_controlplane_objects', 'state="invalid"', '0x60'),
      ...one('l7mp_controlplane_objects', 'state="valid"', '5x60'),
    },
  },
  {
    alert: 'L7mpPushesFail',
    fires: one('l7mp_controlplane_push_failures_total', '', '0x55 1x5'),
    silent: one('l7mp_controlplane_push_failures_total', '', '0x20 1x40'),
    labels: { instance: 'a' },
  },
  {
    alert: 'L7mpNoLeader',
    fires: two('l7mp_controlplane_leader', '0x60', '0x60'),
    silent: two('l7mp_controlplane_leader', '0x60', '1x60'),
  },
  {
    alert: 'L7mpSeveralLeaders',
    fires: two('l7mp_controlplane_leader', '1x60', '1x60'),
    silent: two('l7mp_controlplane_leader', '1x59 0', '0x59 1'),
  },
  {
    alert: 'L7mpReplicaBehind',
    fires: two('l7mp_controlplane_store_revision', '7x60', '0+1x60'),
    silent: two('l7mp_controlplane_store_revision', '0+1x60', '0+1x60'),
    labels: { instance: 'a' },
  },
  {
    alert: 'L7mpAnswersSlow',
    fires: buckets('l7mp_controlplane_answer_duration_seconds', 'type="Listener"', '0+90x60', '0+100x60'),
    silent: buckets('l7mp_controlplane_answer_duration_seconds', 'type="Listener"', '0+100x60', '0+100x60'),
    labels: { type: 'Listener' },
  },
  {
    alert: 'L7mpControlPlaneCertificateExpires',
    fires: one('l7mp_controlplane_certificate_expiry_timestamp_seconds', '', `${14 * DAY}x90`),
    silent: one('l7mp_controlplane_certificate_expiry_timestamp_seconds', '', `${30 * DAY}x90`),
    at: '90m',
  },
  {
    alert: 'L7mpWatchDown',
    fires: one('l7mp_kubernetes_watch_connected', 'kind="Service"', '0x60'),
    silent: one('l7mp_kubernetes_watch_connected', 'kind="Service"', '1x58 0x2'),
    labels: { instance: 'a', kind: 'Service' },
  },
  {
    alert: 'L7mpWatchRestarts',
    fires: one('l7mp_kubernetes_watch_restarts_total', 'kind="Service"', '0+1x60'),
    silent: one('l7mp_kubernetes_watch_restarts_total', 'kind="Service"', '0+0.2x60'),
    labels: { instance: 'a', kind: 'Service' },
  },
  {
    alert: 'L7mpReconcileFails',
    fires: one('l7mp_kubernetes_reconcile_failures_total', 'queue="statuses"', '0+1x60'),
    silent: one('l7mp_kubernetes_reconcile_failures_total', 'queue="statuses"', '0x40 1x20'),
    labels: { instance: 'a', queue: 'statuses' },
  },
  {
    alert: 'L7mpQueueLong',
    fires: one('l7mp_kubernetes_queue_depth', 'queue="statuses"', '500x60'),
    silent: one('l7mp_kubernetes_queue_depth', 'queue="statuses"', '500x54 0x6'),
    labels: { instance: 'a', queue: 'statuses' },
  },
  {
    alert: 'L7mpTelemetryLost',
    fires: { ...process, ...telemetry('0+60x60', '0+6000x60') },
    silent: { ...process, ...telemetry('0x40 60x20', '0+6000x60') },
    labels: { instance: 'a', otel_component_type: 'batching_span_processor' },
  },
  {
    alert: 'L7mpEventLoopLate',
    fires: { ...process, ...one('nodejs_eventloop_delay_p99_seconds', '', '0.2x60') },
    silent: { ...ofOthers, ...one('nodejs_eventloop_delay_p99_seconds', '', '0.2x60') },
    labels: { instance: 'a' },
  },
  {
    alert: 'L7mpMemoryGrows',
    fires: { ...process, ...one('process_memory_usage_bytes', '', '2e8x72 4e8x200') },
    silent: { ...process, ...one('process_memory_usage_bytes', '', '3e8x72 4e8x200') },
    every: '10m',
    at: '1800m',
    labels: { instance: 'a' },
  },
  {
    alert: 'L7mpDescriptorsShort',
    fires: { ...process, ...descriptors('900x60') },
    silent: { ...process, ...descriptors('700x60') },
    labels: { instance: 'a' },
  },
  {
    alert: 'L7mpProcessRestarts',
    fires: { ...process, ...one('process_uptime_seconds', '', '0+60x10 0+60x10 0+60x10 0+60x10') },
    silent: { ...process, ...one('process_uptime_seconds', '', '0+60x20 0+60x40') },
    at: '40m',
    labels: { instance: 'a' },
  },
];
