/** OTLP exporters by signal and protocol: what is not used is not loaded. */
import type { MeterProvider } from '@opentelemetry/api';
import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import type { LogRecordExporter } from '@opentelemetry/sdk-logs';
import type { PushMetricExporter } from '@opentelemetry/sdk-metrics';
import type { SpanExporter } from '@opentelemetry/sdk-trace';
import type { Logger } from '../log.ts';
import { errorText } from './error-text.ts';
import type { OtlpProtocol } from './otel-settings.ts';

/** What exporters count about themselves goes there. */
interface ExporterOptions {
  readonly selfObsMeterProvider: MeterProvider;
}

type Makers<Exporter> = Readonly<Record<OtlpProtocol, (options: ExporterOptions) => Promise<Exporter>>>;

export const SPAN_EXPORTERS: Makers<SpanExporter> = {
  grpc: async (options) => new (await import('@opentelemetry/exporter-trace-otlp-grpc')).OTLPTraceExporter(options),
  'http/json': async (options) =>
    new (await import('@opentelemetry/exporter-trace-otlp-http')).OTLPTraceExporter(options),
  'http/protobuf': async (options) =>
    new (await import('@opentelemetry/exporter-trace-otlp-proto')).OTLPTraceExporter(options),
};

export const METRIC_EXPORTERS: Makers<PushMetricExporter> = {
  grpc: async (options) => new (await import('@opentelemetry/exporter-metrics-otlp-grpc')).OTLPMetricExporter(options),
  'http/json': async (options) =>
    new (await import('@opentelemetry/exporter-metrics-otlp-http')).OTLPMetricExporter(options),
  'http/protobuf': async (options) =>
    new (await import('@opentelemetry/exporter-metrics-otlp-proto')).OTLPMetricExporter(options),
};

export const LOG_EXPORTERS: Makers<LogRecordExporter> = {
  grpc: async (options) => new (await import('@opentelemetry/exporter-logs-otlp-grpc')).OTLPLogExporter(options),
  'http/json': async (options) => new (await import('@opentelemetry/exporter-logs-otlp-http')).OTLPLogExporter(options),
  'http/protobuf': async (options) =>
    new (await import('@opentelemetry/exporter-logs-otlp-proto')).OTLPLogExporter(options),
};

interface Exporter<Items> {
  export(items: Items, done: (result: ExportResult) => void): void;
}

/** What is exported, and where to. */
interface Watched {
  readonly signal: string;
  /** As it may be shown. */
  readonly endpoint: string;
  readonly log: Logger;
  /** Hears of each export that fails. */
  readonly onFailure: (signal: string, error: Error | undefined) => void;
}

/** Tells once that nothing gets through, and once that it does again: a collector that is away is not told each second. */
export function watched<Items, E extends Exporter<Items>>(
  exporter: E & Exporter<Items>,
  { signal, endpoint, log, onFailure }: Watched,
): E {
  const send = exporter.export.bind(exporter);
  let isFailing = false;
  exporter.export = (items, done) => {
    send(items, (result) => {
      const failed = result.code !== ExportResultCode.SUCCESS;
      if (failed) onFailure(signal, result.error);
      if (failed !== isFailing) {
        isFailing = failed;
        const error = result.error === undefined ? 'the exporter does not say why' : errorText(result.error);
        if (failed)
          log.warn(
            { signal, endpoint, error },
            'telemetry can not be exported: what waits too long for it is lost, and counted',
          );
        else log.info({ signal, endpoint }, 'telemetry is exported again');
      }
      done(result);
    });
  };
  return exporter;
}
