/** The page of metrics in the format that its reader asks for. OpenTelemetry's SDK is loaded with the first request. */
import type { MetricSource } from './collect.ts';
import { CONTENT_TYPES, formatFor, type MetricsFormat, type MetricsPage } from './metrics-format.ts';

/** The page is made anew for each request; requests at the same time share one. `serviceName` as OpenTelemetry names services. */
export function createMetricsPage(source: () => Promise<MetricSource>, serviceName: string): MetricsPage {
  const underWay = new Map<MetricsFormat, Promise<string>>();
  const make = async (format: MetricsFormat): Promise<string> => {
    const [{ makePrometheusPage }, made] = await Promise.all([import('./prometheus-page.ts'), source()]);
    return await makePrometheusPage(made, serviceName, format);
  };
  return async (accept) => {
    const format = formatFor(accept);
    const text = underWay.get(format) ?? make(format).finally(() => underWay.delete(format));
    underWay.set(format, text);
    return { contentType: CONTENT_TYPES[format], text: await text };
  };
}
