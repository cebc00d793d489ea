/** Traces, metrics and logs by OTLP, made of OpenTelemetry's SDK. Loaded only where something is exported. */
import { hostname } from 'node:os';
import type { Tracer } from '@opentelemetry/api';
import type { Logger as OtelLogger } from '@opentelemetry/api-logs';
import { detectResources, envDetector, type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { AlwaysOnSampler, BatchSpanProcessor, type IdGenerator, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Logger } from '../log.ts';
import { productVersion } from '../version.ts';
import { collectMetrics, MAX_LABEL_SETS, type MetricSource, PullReader } from './collect.ts';
import type { OtelSettings } from './otel-settings.ts';
import { LOG_EXPORTERS, METRIC_EXPORTERS, SPAN_EXPORTERS, watched } from './otlp-exporters.ts';
import { SdkErrors } from './sdk-errors.ts';

export interface OtlpOptions {
  /** The program, where `OTEL_SERVICE_NAME` does not name it. */
  readonly serviceName: string;
  /** Which of those of its name it is, where `OTEL_RESOURCE_ATTRIBUTES` does not say. */
  readonly instance: string;
  readonly log: Logger;
  /** Trace and span identifiers; random ones when absent. */
  readonly ids?: IdGenerator;
}

/** What is exported; what is not in the settings is absent. */
export interface Otlp {
  /** Records whatever it is asked to: who asks has decided. */
  readonly tracer: Tracer | undefined;
  readonly logger: OtelLogger | undefined;
  /** What the SDK counts of itself: records that were exported, and lost. For the page of metrics. */
  readonly ownMetrics: MetricSource['others'];
  /** From now on these metrics are exported, where metrics are. */
  follow(source: MetricSource): void;
  /** Sends what waits, for at most `CLOSE_TIMEOUT`. */
  close(): Promise<void>;
}

/** A collector that is away must not hold up the end, in ms. */
const CLOSE_TIMEOUT = 2000;

export async function openOtlp({ traces, metrics, logs }: OtelSettings, options: OtlpOptions): Promise<Otlp> {
  const { log } = options;
  const resource = resourceOf(options);
  const ownReader = new PullReader();
  const own = new MeterProvider({ readers: [ownReader], resource });
  const selfObserved = { selfObsMeterProvider: own };
  const ends: (() => Promise<void>)[] = [];

  const errors = new SdkErrors(log);
  errors.open();
  const watch = (signal: string, endpoint: string) => {
    return { signal, endpoint, log, onFailure: errors.known.bind(errors) };
  };
  const spans =
    traces && watched(await SPAN_EXPORTERS[traces.protocol](selfObserved), watch('traces', traces.endpoint));
  const records = logs && watched(await LOG_EXPORTERS[logs.protocol](selfObserved), watch('logs', logs.endpoint));
  const measures =
    metrics && watched(await METRIC_EXPORTERS[metrics.protocol](selfObserved), watch('metrics', metrics.endpoint));

  const tracing =
    spans &&
    new TracerProvider({
      resource,
      sampler: new AlwaysOnSampler(),
      spanLimits: traces.limits,
      spanProcessors: [new BatchSpanProcessor({ exporter: spans, ...traces.batch, ...selfObserved })],
      ...(options.ids && { idGenerator: options.ids }),
    });
  if (tracing) ends.push(() => tracing.shutdown());

  const logging =
    records &&
    new LoggerProvider({
      resource,
      logRecordLimits: logs.limits,
      processors: [new BatchLogRecordProcessor({ exporter: records, ...logs.batch, ...selfObserved })],
    });
  if (logging) ends.push(() => logging.shutdown());

  return {
    tracer: tracing?.getTracer('l7mp', productVersion()),
    logger: logging?.getLogger('l7mp', productVersion()),
    ownMetrics: async () => (await ownReader.collect()).resourceMetrics.scopeMetrics,
    follow: (source) => {
      if (metrics === undefined || measures === undefined) return;
      const { exportIntervalMillis, exportTimeoutMillis } = metrics;
      const reader = new PeriodicExportingMetricReader({
        exporter: measures,
        exportIntervalMillis,
        exportTimeoutMillis,
        cardinalityLimits: { default: MAX_LABEL_SETS },
        metricProducers: [
          { collect: async () => ({ resourceMetrics: await collectMetrics(source, resource), errors: [] }) },
        ],
      });
      const provider = new MeterProvider({ readers: [reader], resource });
      ends.unshift(() => provider.shutdown());
    },
    close: async () => {
      const ended = Promise.allSettled(ends.map((end) => end())); // what is lost was told when it could not be sent
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([ended, new Promise<void>((resolve) => (timer = setTimeout(resolve, CLOSE_TIMEOUT)))]);
      clearTimeout(timer);
      await own.shutdown();
      errors.close();
    },
  };
}

/** What the environment says of it comes before what is known here. */
function resourceOf({ serviceName, instance }: OtlpOptions): Resource {
  const known = resourceFromAttributes({
    'service.name': serviceName,
    'service.version': productVersion(),
    'service.instance.id': instance,
    'host.name': hostname(),
    'process.pid': process.pid,
  });
  return known.merge(detectResources({ detectors: [envDetector] }));
}
