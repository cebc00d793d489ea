/** Every instrument, and the plain counters that it reads. */
import type { Attributes, BatchObservableResult, Meter, Observable } from '@opentelemetry/api';
import { grpcStatusName } from '../core/grpc-status.ts';
import type { MetricsSource } from './metrics-source.ts';
import type { NamedCounters } from './named-counters.ts';
import { observeProcess } from '../../common/telemetry/process-instruments.ts';
import type { Sums } from './totals.ts';

export function observeAll(meter: Meter, source: MetricsSource, named: NamedCounters): void {
  observeSessions(meter, source);
  observeAnswers(meter, source);
  observeConfiguration(meter, source);
  observeClusters(meter, source);
  observeNamed(meter, named);
  observeControlPlane(meter, source);
  observeOffload(meter, source);
  observeTaps(meter, source);
  observeAccessLog(meter, source);
  observeProcess(meter, () => source.logLost());
}

function observeSessions(meter: Meter, source: MetricsSource): void {
  const active = meter.createObservableGauge('l7mp.sessions.active', { description: 'Open sessions, by listener' });
  const opened = meter.createObservableCounter('l7mp.sessions.opened', { description: 'Sessions taken, by listener' });
  const closed = meter.createObservableCounter('l7mp.sessions.closed', {
    description: 'Ended sessions, by listener and reason: OK, or a code of the error catalogue',
  });
  const refused = meter.createObservableCounter('l7mp.sessions.refused', {
    description: 'Sessions that limits kept out, by listener and reason',
  });
  const expiry = meter.createObservableGauge('l7mp.listener.certificate.expiry.timestamp', {
    description: 'When the first certificate that a listener shows ends, since the epoch',
    unit: 's',
  });
  const retries = meter.createObservableCounter('l7mp.sessions.retries', {
    description: 'Stages that were connected again, by listener',
  });
  const clusterActive = meter.createObservableGauge('l7mp.cluster.sessions.active', {
    description: 'Open sessions, by destination cluster',
  });
  const clusterOpened = meter.createObservableCounter('l7mp.cluster.sessions.opened', {
    description: 'Sessions that were sent to it, by destination cluster',
  });
  const [listenerTraffic, clusterTraffic] = [traffic(meter, 'listener'), traffic(meter, 'cluster')];
  const own = [active, opened, closed, refused, retries, expiry, clusterActive, clusterOpened];
  const all = [...own, ...listenerTraffic.all, ...clusterTraffic.all];
  meter.addBatchObservableCallback((result) => {
    const totals = source.totals();
    for (const [listener, sums] of totals.listeners) {
      result.observe(active, sums.active, { listener });
      result.observe(opened, sums.opened, { listener });
      result.observe(retries, sums.retries, { listener });
      for (const [reason, count] of sums.closed) result.observe(closed, count, { listener, reason });
      listenerTraffic.observe(result, sums, { listener });
    }
    for (const [cluster, sums] of totals.clusters) {
      result.observe(clusterActive, sums.active, { cluster });
      result.observe(clusterOpened, sums.opened, { cluster });
      clusterTraffic.observe(result, sums, { cluster });
    }
    for (const { name: listener, overflow, certificateExpiry } of source.listeners()) {
      if (certificateExpiry !== undefined) result.observe(expiry, certificateExpiry / 1000, { listener });
      listenerTraffic.observeOverflow(result, overflow, { listener, direction: 'ingress' });
    }
    for (const { name: cluster, overflow } of source.clusters()) {
      clusterTraffic.observeOverflow(result, overflow, { cluster, direction: 'egress' });
    }
    for (const [listener, codes] of totals.refused) {
      for (const [reason, count] of codes) result.observe(refused, count, { listener, reason });
    }
  }, all);
}

/** What clients of HTTP were answered with. Subjects that have answered nobody have no series. */
function observeAnswers(meter: Meter, source: MetricsSource): void {
  const of = (subject: string) => ({
    http: meter.createObservableCounter(`l7mp.${subject}.http.responses`, {
      description: `Answers to clients of HTTP, by ${subject} and class of status: 1xx to 5xx`,
    }),
    grpc: meter.createObservableCounter(`l7mp.${subject}.grpc.responses`, {
      description: `Answers to calls of gRPC, by ${subject} and status: OK, or another by its name`,
    }),
  });
  const [listener, cluster] = [of('listener'), of('cluster')];
  meter.addBatchObservableCallback(
    (result) => {
      const { listeners, clusters } = source.totals();
      const observe = ({ http, grpc }: typeof listener, sums: Sums, labels: Attributes): void => {
        const { httpResponses, grpcResponses } = sums;
        if (httpResponses.every((count) => count === 0)) return;
        for (let status = 1; status <= 5; status++)
          result.observe(http, httpResponses[status] ?? 0, { ...labels, status_class: `${status}xx` });
        for (const [code, count] of grpcResponses)
          result.observe(grpc, count, { ...labels, status: grpcStatusName(code) });
      };
      for (const [name, sums] of listeners) observe(listener, sums, { listener: name });
      for (const [name, sums] of clusters) observe(cluster, sums, { cluster: name });
    },
    [listener.http, listener.grpc, cluster.http, cluster.grpc],
  );
}

const STATES = ['serving', 'degraded', 'warming', 'failed'] as const;

function observeConfiguration(meter: Meter, source: MetricsSource): void {
  const listeners = meter.createObservableGauge('l7mp.listeners', {
    description:
      'Listeners, by state: serving, degraded (lacks what it names), warming (waits), failed (can not listen)',
  });
  const successful = meter.createObservableGauge('l7mp.config.last_reload.successful', {
    description: 'Whether the configuration file was taken when it was read last: 1 or 0',
  });
  const reloads = meter.createObservableCounter('l7mp.config.reloads', {
    description: 'Times that the configuration file was read again, by result: success, failure',
  });
  meter.addBatchObservableCallback(
    (result) => {
      const all = [...source.listeners()];
      for (const state of STATES)
        result.observe(listeners, all.filter((listener) => listener.state === state).length, { state });
      const file = source.reloads();
      if (file === undefined) return;
      result.observe(successful, file.refusal === undefined ? 1 : 0);
      result.observe(reloads, file.succeeded, { result: 'success' });
      result.observe(reloads, file.failed, { result: 'failure' });
    },
    [listeners, successful, reloads],
  );
}

interface Traffic {
  readonly all: readonly Observable[];
  observe(result: BatchObservableResult, sums: Sums, labels: Attributes): void;
  /** Datagrams that the kernel dropped, where there can be any. */
  observeOverflow(result: BatchObservableResult, count: number | undefined, labels: Attributes): void;
}

function traffic(meter: Meter, subject: string): Traffic {
  const bytes = meter.createObservableCounter(`l7mp.${subject}.bytes`, {
    description: `Payload, by ${subject}, direction (ingress: from the client) and path: user space, or the kernel`,
    unit: 'By',
  });
  const packets = meter.createObservableCounter(`l7mp.${subject}.packets`, {
    description: `Datagrams, or chunks of byte streams, by ${subject}, direction and path`,
  });
  const dropped = meter.createObservableCounter(`l7mp.${subject}.dropped`, {
    description: `Datagrams dropped, by ${subject}, direction and reason: limit (queue or rate), overflow (by the kernel)`,
  });
  return {
    all: [bytes, packets, dropped],
    observe(result, sums, labels) {
      for (const direction of ['ingress', 'egress'] as const) {
        const counters = sums[direction];
        const attributes = { ...labels, direction };
        const kernel = sums.kernel[direction];
        result.observe(bytes, counters.bytes - kernel.bytes, { ...attributes, path: 'user' });
        result.observe(packets, counters.packets - kernel.packets, { ...attributes, path: 'user' });
        if (kernel.packets > 0) {
          result.observe(bytes, kernel.bytes, { ...attributes, path: 'kernel' });
          result.observe(packets, kernel.packets, { ...attributes, path: 'kernel' });
        }
        result.observe(dropped, counters.dropped, { ...attributes, reason: 'limit' });
      }
    },
    observeOverflow(result, count, labels) {
      if (count !== undefined) result.observe(dropped, count, { ...labels, reason: 'overflow' });
    },
  };
}

function observeClusters(meter: Meter, source: MetricsSource): void {
  const endpoints = meter.createObservableGauge('l7mp.cluster.endpoints', {
    description: 'Endpoints, by cluster and health: healthy, unhealthy or ejected',
  });
  const failures = meter.createObservableCounter('l7mp.cluster.failures', {
    description: 'Failed connects and broken sessions, by cluster and reason',
  });
  meter.addBatchObservableCallback(
    (result) => {
      for (const cluster of source.clusters()) {
        for (const health of ['healthy', 'unhealthy', 'ejected']) {
          const count = cluster.endpoints.filter((endpoint) => endpoint.health === health).length;
          result.observe(endpoints, count, { cluster: cluster.name, health });
        }
        for (const [reason, count] of cluster.failures) {
          result.observe(failures, count, { cluster: cluster.name, reason });
        }
      }
    },
    [endpoints, failures],
  );
}

function observeControlPlane(meter: Meter, source: MetricsSource): void {
  const connected = meter.createObservableGauge('l7mp.xds_client.connected', {
    description: 'Whether there is a connection to a control plane: 1 or 0',
  });
  const connects = meter.createObservableCounter('l7mp.xds_client.connects', {
    description: 'Connections to control planes that were made',
  });
  const responses = meter.createObservableCounter('l7mp.xds_client.responses', {
    description: 'Responses of the control plane, by type of resources and result: ack, nack',
  });
  const resources = meter.createObservableGauge('l7mp.xds_client.resources', {
    description: 'Resources of the control plane that are held, by type',
  });
  meter.addBatchObservableCallback(
    (result) => {
      const state = source.controlPlane();
      if (state === undefined) return;
      result.observe(connected, state.connected ? 1 : 0);
      result.observe(connects, state.connects);
      for (const [type, { acks, nacks, resources: count }] of state.types) {
        result.observe(responses, acks, { type, result: 'ack' });
        result.observe(responses, nacks, { type, result: 'nack' });
        result.observe(resources, count, { type });
      }
    },
    [connected, connects, responses, resources],
  );
}

function observeOffload(meter: Meter, source: MetricsSource): void {
  const enabled = meter.createObservableGauge('l7mp.offload.enabled', {
    description: 'Whether the kernel relays hot sessions: 1, or 0 where it can not',
  });
  const flows = meter.createObservableGauge('l7mp.offload.flows', { description: 'Sessions that the kernel relays' });
  const capacity = meter.createObservableGauge('l7mp.offload.capacity', {
    description: 'Sessions that the kernel can relay',
  });
  const handovers = meter.createObservableCounter('l7mp.offload.handovers', {
    description: 'Sessions that were given to the kernel',
  });
  const handbacks = meter.createObservableCounter('l7mp.offload.handbacks', {
    description: 'Sessions that user space took back from the kernel before they ended',
  });
  const refusals = meter.createObservableCounter('l7mp.offload.refusals', {
    description: 'Sessions that were kept or thrown out of the kernel, by reason',
  });
  meter.addBatchObservableCallback(
    (result) => {
      const status = source.offload();
      if (status === undefined) return;
      for (const [transport, engine] of [
        ['udp', status.engine],
        ['tcp', status.connections?.engine],
      ] as const) {
        result.observe(enabled, engine ? 1 : 0, { transport });
        result.observe(flows, engine?.flows ?? 0, { transport });
        result.observe(capacity, engine?.capacity ?? 0, { transport });
      }
      result.observe(handovers, status.handovers);
      result.observe(handbacks, status.handbacks);
      for (const [reason, count] of status.refusals) result.observe(refusals, count, { reason });
    },
    [enabled, flows, capacity, handovers, handbacks, refusals],
  );
}

function observeTaps(meter: Meter, source: MetricsSource): void {
  const active = meter.createObservableGauge('l7mp.taps.active', { description: 'Taps that run' });
  const started = meter.createObservableCounter('l7mp.taps.started', { description: 'Taps that were started' });
  const messages = meter.createObservableCounter('l7mp.taps.messages', {
    description: 'Messages that taps have told their readers of',
  });
  const bytes = meter.createObservableCounter('l7mp.taps.bytes', {
    description: 'Payload of the messages that taps have told their readers of',
    unit: 'By',
  });
  const dropped = meter.createObservableCounter('l7mp.taps.dropped', {
    description: 'Messages that taps had no room for: readers were slow, or their rate too high',
  });
  meter.addBatchObservableCallback(
    (result) => {
      const sums = source.taps();
      result.observe(active, sums.active);
      result.observe(started, sums.started);
      result.observe(messages, sums.messages);
      result.observe(bytes, sums.bytes);
      result.observe(dropped, sums.dropped);
    },
    [active, started, messages, bytes, dropped],
  );
}

function observeAccessLog(meter: Meter, source: MetricsSource): void {
  const lost = meter.createObservableCounter('l7mp.access_log.lines.lost', {
    description: 'Lines of the access log that found no room, or could not be written',
  });
  lost.addCallback((result) => {
    const count = source.accessLogLost();
    if (count !== undefined) result.observe(count);
  });
}

function observeNamed(meter: Meter, named: NamedCounters): void {
  const bytes = meter.createObservableCounter('l7mp.metric.bytes', {
    description: 'Bytes through Metric clusters, by their names and labels',
    unit: 'By',
  });
  const packets = meter.createObservableCounter('l7mp.metric.packets', {
    description: 'Datagrams, or chunks of byte streams, through Metric clusters, by their names and labels',
  });
  meter.addBatchObservableCallback(
    (result) => {
      for (const { attributes, ...sums } of summed(named)) {
        result.observe(bytes, sums.bytes, attributes);
        result.observe(packets, sums.packets, attributes);
      }
    },
    [bytes, packets],
  );
}

interface NamedSums {
  readonly attributes: Attributes;
  bytes: number;
  packets: number;
}

/** Labels that differ by what Prometheus can't read alone are the same to it: of two counts of the same labels one would be lost. */
function summed(named: NamedCounters): Iterable<NamedSums> {
  const byLabels = new Map<string, NamedSums>();
  for (const { name, labels, bytes, packets } of named.all()) {
    const attributes = { ...toLabels(labels), name };
    const key = JSON.stringify(Object.entries(attributes).sort());
    const sums = byLabels.get(key) ?? { attributes, bytes: 0, packets: 0 };
    byLabels.set(key, sums);
    sums.bytes += bytes;
    sums.packets += packets;
  }
  return byLabels.values();
}

/** Labels of the configuration by names that Prometheus can read; of names that become the same, the first stays. */
export function toLabels(labels: Attributes): Attributes {
  const safe: Attributes = {};
  for (const [name, value] of Object.entries(labels)) {
    // The serializer, too, makes one underscore of several.
    safe[name.replace(/^(?=\d|$)|[^a-zA-Z0-9_]/gu, '_').replace(/_+/gu, '_')] ??= value;
  }
  return safe;
}
