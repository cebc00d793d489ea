/** What processes of ours that export by OTLP count of that: what was sent, and what was lost. */
import { type Row, series } from './panels.ts';

/** What is exported of each signal, sent or lost on the way. */
const EXPORTED = [
  'otel_sdk_exporter_span_exported_total',
  'otel_sdk_exporter_log_exported_total',
  'otel_sdk_exporter_metric_data_point_exported_total',
];
/** Of signals that wait in a queue. */
const PROCESSED = ['otel_sdk_processor_span_processed_total', 'otel_sdk_processor_log_processed_total'];

/** Each has a component of its own, so that none hides another. */
const anyOf = (metrics: readonly string[], selector: string): string =>
  metrics.map((metric) => `rate(${metric}{${selector}}[$__rate_interval])`).join(' or ');

const waiting = (signal: string, selector: string): string =>
  `otel_sdk_processor_${signal}_queue_size{${selector}} / otel_sdk_processor_${signal}_queue_capacity{${selector}}`;

export function telemetryRow(selector: string): Row {
  return {
    title: 'Export by OpenTelemetry',
    panels: [
      series('Telemetry that was sent', { unit: 'cps', description: 'Spans, log records and points of metrics.' }, [
        `sum by (otel_component_type) (${anyOf(EXPORTED, `${selector},error_type=""`)})`,
        '{{otel_component_type}}',
      ]),
      series(
        'Telemetry that was lost on the way',
        { unit: 'cps', description: 'The collector is away, or refuses it.' },
        [
          `sum by (otel_component_type, error_type) (${anyOf(EXPORTED, `${selector},error_type!=""`)})`,
          '{{otel_component_type}} {{error_type}}',
        ],
      ),
      series(
        'Telemetry that found no room',
        { unit: 'cps', description: 'Its queue was full: OTEL_BSP_MAX_QUEUE_SIZE and OTEL_BLRP_MAX_QUEUE_SIZE.' },
        [
          `sum by (otel_component_type) (${anyOf(PROCESSED, `${selector},error_type="queue_full"`)})`,
          '{{otel_component_type}}',
        ],
      ),
      series(
        'Telemetry that waits',
        { unit: 'percentunit', description: 'Share of its queue.' },
        [waiting('span', selector), '{{instance}} spans'],
        [waiting('log', selector), '{{instance}} log records'],
      ),
    ],
  };
}
