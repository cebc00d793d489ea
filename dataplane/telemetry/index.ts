/** What the proxy tells of itself: its parts, and how they are fed. What nobody asks for is not loaded. */
import type { Admin } from '../../gen/l7mp/config/v1/types.ts';
import type { ErrorCode } from '../../common/errors.ts';
import type { ProcessLogger } from '../../common/telemetry/log.ts';
import type { OtelSettings } from '../../common/telemetry/otel-settings.ts';
import type { MetricsPage } from '../../common/telemetry/metrics-format.ts';
import type { Otlp } from '../../common/telemetry/otlp.ts';
import type { SessionView } from '../core/session.ts';
import type { Tracing } from '../core/trace.ts';
import { type AccessLog, createAccessLog, isLogged } from './access-log.ts';
import { SessionDurations } from './durations.ts';
import { ServerDurations } from './server-durations.ts';
import { createMetrics } from './metrics.ts';
import type { MetricsSource } from './metrics-source.ts';
import { NamedCounters } from './named-counters.ts';
import { SessionTotals } from './totals.ts';

export interface TelemetryOptions {
  readonly admin: Pick<Admin, 'access_log_path' | 'access_log_format'>;
  /** What is exported; nothing when absent. */
  readonly otel: OtelSettings | undefined;
  /** The proxy's name among others. */
  readonly instance: string;
  readonly log: ProcessLogger;
}

export interface Telemetry {
  readonly totals: SessionTotals;
  readonly counters: NamedCounters;
  /** Undefined: nothing is recorded. */
  readonly tracing: Tracing | undefined;
  /** A session is over. `goesOn`: it is left in the kernel, and the next process tells of its end. */
  ended(session: SessionView, goesOn: boolean): void;
  refused(listener: string, code: ErrorCode): void;
  /** Where metrics come from: gives the page, and has them exported from now on. */
  follow(
    source: Omit<MetricsSource, 'sessionDurations' | 'requestDurations' | 'accessLogLost' | 'logLost'>,
  ): MetricsPage;
  /** Opens the access log's file anew. */
  reopen(): void;
  /** Sends and writes what waits. */
  close(): Promise<void>;
}

export async function openTelemetry({ admin, otel, instance, log }: TelemetryOptions): Promise<Telemetry> {
  const totals = new SessionTotals();
  const counters = new NamedCounters();
  const durations = new SessionDurations();
  const requests = new ServerDurations();
  const exported = otel && (await openExports(otel, instance, log));
  const { access_log_path: path, access_log_format: format } = admin;
  let accessLog: AccessLog | undefined;
  if (path === 'otlp' && exported?.otlp.logger) {
    const { createOtlpAccessLog } = await import('./otlp-access-log.ts');
    accessLog = createOtlpAccessLog(exported.otlp.logger, format);
  } else if (path && path !== 'otlp') accessLog = createAccessLog(path, format);
  return {
    totals,
    counters,
    tracing: exported?.tracing,
    ended: (session, goesOn) => {
      totals.ended(session);
      if (goesOn) return;
      durations.add(session);
      requests.add(session);
      if (accessLog && isLogged(session)) accessLog.write(session);
    },
    refused: (listener, code) => totals.refuse(listener, code),
    follow: (source) => {
      const all = {
        ...source,
        sessionDurations: () => durations.all(),
        requestDurations: () => requests.all(),
        accessLogLost: () => accessLog?.linesLost,
        logLost: () => log.linesLost,
      };
      exported?.follow(all, counters);
      return createMetrics(all, counters, exported?.otlp.ownMetrics);
    },
    reopen: () => accessLog?.reopen(),
    close: async () => {
      await Promise.all([accessLog?.close(), exported?.otlp.close()]);
    },
  };
}

interface Exports {
  readonly otlp: Otlp;
  readonly tracing: Tracing | undefined;
  follow(source: MetricsSource, counters: NamedCounters): void;
}

async function openExports(otel: OtelSettings, instance: string, log: ProcessLogger): Promise<Exports> {
  const [{ openOtlp }, { SpanIdSource }, { createTracing }, { otlpLogSink }, { metricSource }] = await Promise.all([
    import('../../common/telemetry/otlp.ts'),
    import('../../common/telemetry/span-ids.ts'),
    import('./tracing.ts'),
    import('../../common/telemetry/otlp-log.ts'),
    import('./metric-source.ts'),
  ]);
  const ids = new SpanIdSource();
  const otlp = await openOtlp(otel, { serviceName: 'l7mp', instance, log, ids });
  const tracing = otlp.tracer && otel.traces && createTracing(otlp.tracer, otel.traces, ids);
  if (tracing) log.complete(({ session }) => tracing.fieldsOf(session));
  if (otlp.logger) log.follow(otlpLogSink(otlp.logger));
  return {
    otlp,
    tracing,
    follow: (source, counters) => otlp.follow(metricSource(source, counters, otlp.ownMetrics)),
  };
}
