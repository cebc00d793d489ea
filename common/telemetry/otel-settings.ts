/** What the standard `OTEL_*` variables say (OpenTelemetry's "Environment Variable Specification"). Loads nothing. */
import { accessSync, constants } from 'node:fs';
import { type Fault, FaultsError } from '../errors.ts';
import { LONGEST_TIMER } from '../timer.ts';

export type OtlpProtocol = 'grpc' | 'http/json' | 'http/protobuf';

/** How spans or log records wait, and go out together. */
export interface BatchSettings {
  readonly maxQueueSize: number;
  readonly maxExportBatchSize: number;
  readonly scheduledDelayMillis: number;
  readonly exportTimeoutMillis: number;
}

/** What is kept of a span or log record. */
export interface RecordLimits {
  readonly attributeCountLimit: number;
  /** Longer texts are cut, in characters. */
  readonly attributeValueLengthLimit: number;
}

export interface SamplerSettings {
  /** Whether the caller's decision counts where there is one. */
  readonly parentBased: boolean;
  /** The share of the others that is recorded, from 0 to 1. */
  readonly ratio: number;
  /** How many of that share are recorded a second, at most. Absent: all. */
  readonly perSecond?: number;
}

/** Where a signal goes to. */
interface Destination {
  readonly protocol: OtlpProtocol;
  /** For people: without credentials and query. */
  readonly endpoint: string;
}

export interface TraceSettings extends Destination {
  readonly sampler: SamplerSettings;
  readonly batch: BatchSettings;
  readonly limits: RecordLimits & {
    readonly eventCountLimit: number;
    readonly linkCountLimit: number;
    readonly attributePerEventCountLimit: number;
    readonly attributePerLinkCountLimit: number;
  };
  /** Which headers carry a trace on: `OTEL_PROPAGATORS`. */
  readonly propagators: { readonly tracecontext: boolean; readonly baggage: boolean };
}

export interface MetricSettings extends Destination {
  readonly exportIntervalMillis: number;
  readonly exportTimeoutMillis: number;
}

export interface LogSettings extends Destination {
  readonly batch: BatchSettings;
  readonly limits: RecordLimits;
}

/** The signals that are exported. */
export interface OtelSettings {
  readonly traces?: TraceSettings;
  readonly metrics?: MetricSettings;
  readonly logs?: LogSettings;
}

/** Of what comes without a trace, at most so much is recorded a second unless the sampler is told otherwise: busy proxies have much of it. */
export const TRACES_PER_SECOND = 10;

/** Longer attributes are cut, unless a limit is set: a peer's path of many kilobytes is not worth its way. */
const MAX_VALUE_LENGTH = 4096;

const SAMPLERS: Readonly<Record<string, { parentBased: boolean; ratio: number | undefined }>> = {
  always_on: { parentBased: false, ratio: 1 },
  always_off: { parentBased: false, ratio: 0 },
  traceidratio: { parentBased: false, ratio: undefined },
  parentbased_always_on: { parentBased: true, ratio: 1 },
  parentbased_always_off: { parentBased: true, ratio: 0 },
  parentbased_traceidratio: { parentBased: true, ratio: undefined },
};

/** Where exporters look for a collector, as the specification wants it: by gRPC, and by HTTP. */
const GRPC_ENDPOINT = 'http://localhost:4317';
const HTTP_ENDPOINT = 'http://localhost:4318';

type Environment = Readonly<Record<string, string | undefined>>;
type Signal = 'TRACES' | 'METRICS' | 'LOGS';

/**
 * A signal is exported where `OTEL_{SIGNAL}_EXPORTER` says `otlp`, or says nothing and there is an endpoint for it.
 * Endpoints, headers, certificates, compression and timeouts are read by the exporters themselves, which pass over what they
 * can't use: it is looked at here. Undefined: nothing is exported.
 *
 * @param perSecond how many traces that begin here are recorded a second where neither a sampler nor a share is named. Absent: all.
 * @throws FaultsError with all that is wrong.
 */
export function readOtelSettings(env: Environment, perSecond?: number): OtelSettings | undefined {
  const reader = new Reader(env, perSecond);
  if (reader.choice('OTEL_SDK_DISABLED', ['true', 'false'], 'false') === 'true') return undefined;
  const isOn = {
    traces: reader.isExported('TRACES', []),
    metrics: reader.isExported('METRICS', ['prometheus']), // whose page is there anyway
    logs: reader.isExported('LOGS', []),
  };
  const settings: OtelSettings = {
    ...(isOn.traces && { traces: reader.traces() }),
    ...(isOn.metrics && { metrics: reader.metrics() }),
    ...(isOn.logs && { logs: reader.logs() }),
  };
  if (reader.faults.length > 0) throw new FaultsError(reader.faults);
  return Object.keys(settings).length > 0 ? settings : undefined;
}

class Reader {
  readonly faults: Fault[] = [];
  private readonly env: Environment;
  private readonly perSecond: number | undefined;

  constructor(env: Environment, perSecond: number | undefined) {
    this.env = env;
    this.perSecond = perSecond;
  }

  isExported(signal: Signal, others: readonly string[]): boolean {
    const name = `OTEL_${signal}_EXPORTER`;
    const exporters = this.list(name, ['otlp', 'none', ...others]);
    if (exporters.length > 0) return exporters.includes('otlp');
    return this.endpoint(signal) !== undefined;
  }

  traces(): TraceSettings {
    const count = (name: string): number => this.number(name, 128, 0);
    return {
      ...this.destination('TRACES'),
      sampler: this.sampler(),
      batch: this.batch('BSP', 5000),
      limits: {
        ...this.limits('SPAN'),
        eventCountLimit: count('OTEL_SPAN_EVENT_COUNT_LIMIT'),
        linkCountLimit: count('OTEL_SPAN_LINK_COUNT_LIMIT'),
        attributePerEventCountLimit: count('OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT'),
        attributePerLinkCountLimit: count('OTEL_LINK_ATTRIBUTE_COUNT_LIMIT'),
      },
      propagators: this.propagators(),
    };
  }

  /** The timeout is at most the interval, as the specification's own reader has it. */
  metrics(): MetricSettings {
    const exportIntervalMillis = this.time('OTEL_METRIC_EXPORT_INTERVAL', 60_000);
    const timeout = this.time('OTEL_METRIC_EXPORT_TIMEOUT', 30_000);
    // Counters live elsewhere and are read: what passed since the last time is not known of them.
    this.choice('OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE', ['cumulative'], 'cumulative');
    return {
      ...this.destination('METRICS'),
      exportIntervalMillis,
      exportTimeoutMillis: Math.min(timeout, exportIntervalMillis),
    };
  }

  logs(): LogSettings {
    return { ...this.destination('LOGS'), batch: this.batch('BLRP', 1000), limits: this.limits('LOGRECORD') };
  }

  private sampler(): SamplerSettings {
    const name = this.choice('OTEL_TRACES_SAMPLER', Object.keys(SAMPLERS), 'parentbased_traceidratio');
    const { parentBased, ratio } = SAMPLERS[name] ?? { parentBased: true, ratio: undefined };
    const isOpen = ['OTEL_TRACES_SAMPLER', 'OTEL_TRACES_SAMPLER_ARG'].every((each) => this.text(each) === undefined);
    // A sampler that is named without a share takes all, says the specification.
    const settings = { parentBased, ratio: ratio ?? this.number('OTEL_TRACES_SAMPLER_ARG', 1, 0, 1, 'number') };
    return isOpen && this.perSecond !== undefined ? { ...settings, perSecond: this.perSecond } : settings;
  }

  private propagators(): TraceSettings['propagators'] {
    const names = this.list('OTEL_PROPAGATORS', ['tracecontext', 'baggage', 'none']);
    const isDefault = names.length === 0;
    return {
      tracecontext: isDefault || names.includes('tracecontext'),
      baggage: isDefault || names.includes('baggage'),
    };
  }

  private batch(kind: 'BSP' | 'BLRP', delay: number): BatchSettings {
    const maxQueueSize = this.number(`OTEL_${kind}_MAX_QUEUE_SIZE`, 2048, 1);
    return {
      maxQueueSize,
      maxExportBatchSize: Math.min(this.number(`OTEL_${kind}_MAX_EXPORT_BATCH_SIZE`, 512, 1), maxQueueSize),
      scheduledDelayMillis: this.time(`OTEL_${kind}_SCHEDULE_DELAY`, delay, 0),
      exportTimeoutMillis: this.time(`OTEL_${kind}_EXPORT_TIMEOUT`, 30_000),
    };
  }

  private limits(kind: 'SPAN' | 'LOGRECORD'): RecordLimits {
    const limit = (name: string, fallback: number): number =>
      this.number(`OTEL_${kind}_${name}`, this.number(`OTEL_${name}`, fallback, 0), 0);
    return {
      attributeCountLimit: limit('ATTRIBUTE_COUNT_LIMIT', 128),
      attributeValueLengthLimit: limit('ATTRIBUTE_VALUE_LENGTH_LIMIT', MAX_VALUE_LENGTH),
    };
  }

  private destination(signal: Signal): Destination {
    const protocol = this.protocol(signal);
    const usual = protocol === 'grpc' ? GRPC_ENDPOINT : HTTP_ENDPOINT;
    const { name, value } = this.endpoint(signal) ?? { name: '', value: usual };
    const shown = value.replace(/[?#].*$/u, '').replace(/^([a-z][a-z\d+.-]*:\/\/)?[^/]*@/iu, '$1');
    // The endpoint of all signals is where those of each begin.
    const isWhole = protocol === 'grpc' || name.includes(signal);
    return { protocol, endpoint: isWhole ? shown : `${shown.replace(/\/$/u, '')}/v1/${signal.toLowerCase()}` };
  }

  private protocol(signal: Signal): OtlpProtocol {
    this.checkExporter(signal);
    const protocol = this.choice(
      this.nameOf(signal, 'PROTOCOL'),
      ['grpc', 'http/json', 'http/protobuf'],
      'http/protobuf',
    );
    const endpoint = this.endpoint(signal);
    if (endpoint !== undefined && protocol !== 'grpc' && !/^https?:$/u.test(schemeOf(endpoint.value))) {
      this.fault(endpoint.name, 'a URL with http or https', endpoint.value);
    }
    return protocol as OtlpProtocol;
  }

  private checkExporter(signal: Signal): void {
    const compression = this.nameOf(signal, 'COMPRESSION');
    const found = this.text(compression);
    if (found !== undefined && !['gzip', 'none'].includes(found)) this.fault(compression, 'gzip or none', found);
    this.time(this.nameOf(signal, 'TIMEOUT'), 10_000);
    for (const file of ['CERTIFICATE', 'CLIENT_CERTIFICATE', 'CLIENT_KEY']) this.checkFile(this.nameOf(signal, file));
    // Headers of all signals are sent with those of each.
    for (const name of ['OTEL_EXPORTER_OTLP_HEADERS', `OTEL_EXPORTER_OTLP_${signal}_HEADERS`]) this.checkHeaders(name);
  }

  /** Exporters pass over an entry that they can't read. Values are secret: none is told. */
  private checkHeaders(name: string): void {
    for (const [index, entry] of (this.text(name) ?? '').split(',').entries()) {
      const wrong = entry.trim() === '' ? undefined : headerFault(entry);
      if (wrong === undefined) continue;
      this.fault(name, '`name=value`, percent-encoded, several by commas', `entry ${index + 1} ${wrong}`);
    }
  }

  private checkFile(name: string): void {
    const path = this.text(name);
    if (path === undefined) return;
    try {
      accessSync(path, constants.R_OK);
    } catch {
      this.fault(name, 'a file that can be read', path);
    }
  }

  private endpoint(signal: Signal): { name: string; value: string } | undefined {
    const name = this.nameOf(signal, 'ENDPOINT');
    const value = this.text(name);
    return value === undefined ? undefined : { name, value };
  }

  /** The signal's own variable where it is set, else that of all. */
  private nameOf(signal: Signal, what: string): string {
    const own = `OTEL_EXPORTER_OTLP_${signal}_${what}`;
    return this.text(own) === undefined ? `OTEL_EXPORTER_OTLP_${what}` : own;
  }

  /** Empty is absent, as the specification wants it. */
  private text(name: string): string | undefined {
    const value = this.env[name]?.trim();
    return value === '' ? undefined : value;
  }

  choice(name: string, choices: readonly string[], fallback: string): string {
    const value = this.text(name)?.toLowerCase() ?? fallback;
    if (!choices.includes(value)) this.fault(name, choices.join(' or '), value);
    return value;
  }

  private list(name: string, choices: readonly string[]): string[] {
    const values = (this.text(name) ?? '')
      .split(',')
      .map((value) => value.trim())
      .filter((value) => value !== '');
    for (const value of values) if (!choices.includes(value)) this.fault(name, choices.join(' or '), value);
    if (values.length > 1 && values.includes('none')) this.fault(name, '`none` alone', values.join(','));
    return values;
  }

  /** In ms. */
  private time(name: string, fallback: number, min = 1): number {
    return this.number(name, fallback, min, LONGEST_TIMER);
  }

  private number(
    name: string,
    fallback: number,
    min: number,
    max = Number.MAX_SAFE_INTEGER,
    what: 'number' | 'whole number' = 'whole number',
  ): number {
    const text = this.text(name);
    if (text === undefined) return fallback;
    const value = what === 'number' || /^\d+$/u.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max) return value;
    const bounds = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    this.fault(name, `a ${what} ${bounds}`, text);
    return fallback;
  }

  /** Once for a variable that several signals share. */
  private fault(path: string, expected: string, found: string): void {
    if (this.faults.some((fault) => fault.path === path && fault.found === found)) return;
    this.faults.push({ path, expected, found });
  }
}

/** What keeps an entry from being sent as it is meant: from a `;` on, the format has properties (W3C Baggage, section 3.3.1), which no header has. */
function headerFault(entry: string): string | undefined {
  const [name = '', ...rest] = entry.split('=');
  const value = rest.join('=').trim();
  if (rest.length === 0) return 'without =';
  if (!/^[!#$%&'*+.^`|~\w-]+$/u.test(name.trim())) return 'with a name that no header has';
  if (value === '') return 'without a value';
  if (value.includes(';')) return 'with ; in its value, which is %3B';
  try {
    // eslint-disable-next-line no-control-regex -- those are what is looked for
    return /[\0-\x1f\x7f]/u.test(decodeURIComponent(value)) ? 'with a value that no header has' : undefined;
  } catch {
    return 'with a value that can not be decoded';
  }
}

function schemeOf(url: string): string {
  return URL.canParse(url) ? new URL(url).protocol : '';
}
