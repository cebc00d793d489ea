/** What the control plane exports by OTLP. Loaded where anything is. */
import type { ProcessLogger } from '../../common/telemetry/log.ts';
import type { OtelSettings } from '../../common/telemetry/otel-settings.ts';
import { openOtlp, type Otlp } from '../../common/telemetry/otlp.ts';
import { otlpLogSink } from '../../common/telemetry/otlp-log.ts';
import { createSampling } from '../../common/telemetry/sampling.ts';
import { SpanIdSource } from '../../common/telemetry/span-ids.ts';
import type { ChangeTracing } from '../core/change-trace.ts';
import { createChangeTracing } from './change-tracing.ts';
import { controlPlaneMetrics, type Figures } from './metrics.ts';

export interface ControlPlaneExports {
  readonly otlp: Otlp;
  readonly tracing: ChangeTracing | undefined;
  /** From now on metrics are exported, where they are to be. */
  follow(figures: () => Figures): void;
  close(): Promise<void>;
}

export async function openExports(
  otel: OtelSettings,
  instance: string,
  log: ProcessLogger,
): Promise<ControlPlaneExports> {
  const ids = new SpanIdSource();
  const otlp = await openOtlp(otel, { serviceName: 'l7mp-controlplane', instance, log, ids });
  const tracing =
    otlp.tracer && otel.traces && createChangeTracing(otlp.tracer, createSampling(otel.traces.sampler), ids);
  if (otlp.logger) log.follow(otlpLogSink(otlp.logger));
  return {
    otlp,
    tracing,
    follow: (figures) => otlp.follow(controlPlaneMetrics(figures, otlp.ownMetrics)),
    close: async () => {
      tracing?.close();
      await otlp.close();
    },
  };
}
