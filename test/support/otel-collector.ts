/** A real OpenTelemetry Collector (test/gobin/otel, built by scripts/setup-tests.sh) that passes on what it takes as JSON, to be looked at. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { dyingWithUs } from './dying-with-us.ts';
import { freePort } from './free-port.ts';
import { hasTcpPort, Peer } from './peer.ts';
import { until } from './until.ts';

const COLLECTOR = resolve('.cache/gobin/otel-collector');

export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  /** 2 is a server's, 3 a client's (opentelemetry/proto/trace/v1/trace.proto). */
  readonly kind: number;
  readonly attributes: Attributes;
  /** Their times are in ns since the epoch. */
  readonly events: readonly { readonly name: string; readonly attributes: Attributes; readonly time: bigint }[];
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  /** 2 is an error. */
  readonly status: number;
  /** In ns since the epoch. */
  readonly start: bigint;
  readonly end: bigint;
  readonly traceState: string;
  readonly resource: Attributes;
}

export interface LogRecord {
  readonly body: string;
  readonly severity: string;
  readonly eventName: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly attributes: Attributes;
  readonly resource: Attributes;
}

export interface Point {
  readonly name: string;
  readonly unit: string;
  readonly attributes: Attributes;
  /** The count, of a histogram. */
  readonly value: number;
  readonly sum?: number;
  /** In ns since the epoch. */
  readonly start: bigint;
  readonly resource: Attributes;
}

export class OtelCollector {
  readonly spans: Span[] = [];
  readonly logs: LogRecord[] = [];
  /** The points of the last time that each service told. */
  points: Point[] = [];
  readonly #server: Server;
  #peer: Peer | undefined;
  #ports = { http: 0, grpc: 0 };

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        this.#take(JSON.parse(Buffer.concat(chunks).toString()) as Export);
        response.setHeader('content-type', 'application/json').end('{}');
      });
    });
  }

  static async start(): Promise<OtelCollector> {
    const collector = new OtelCollector();
    await new Promise<void>((resolve) => collector.#server.listen(0, '127.0.0.1', resolve));
    collector.#ports = { http: await freePort(), grpc: await freePort() };
    await collector.restart();
    return collector;
  }

  /** As `OTEL_EXPORTER_OTLP_ENDPOINT` has it. */
  endpoint(protocol: 'http' | 'grpc' = 'http'): string {
    return `http://127.0.0.1:${this.#ports[protocol]}`;
  }

  /** Starts it where it was before. */
  async restart(): Promise<void> {
    const { http, grpc } = this.#ports;
    const { port } = this.#server.address() as AddressInfo;
    const pipeline = { receivers: ['otlp'], exporters: ['otlp_http'] };
    const config = {
      receivers: {
        otlp: { protocols: { http: { endpoint: `127.0.0.1:${http}` }, grpc: { endpoint: `127.0.0.1:${grpc}` } } },
      },
      exporters: {
        otlp_http: {
          endpoint: `http://127.0.0.1:${port}`,
          encoding: 'json',
          compression: 'none',
          sending_queue: { enabled: false },
        },
      },
      service: {
        telemetry: { logs: { level: 'error' }, metrics: { level: 'none' } },
        pipelines: { traces: pipeline, metrics: pipeline, logs: pipeline },
      },
    };
    const peer = new Peer(...dyingWithUs(COLLECTOR, ['--config', `yaml:${JSON.stringify(config)}`]));
    this.#peer = peer;
    let isOver = false;
    void peer.exit.then(() => (isOver = true));
    await until('the collector', () => {
      if (isOver) throw new Error(`the collector ended: ${peer.stderr}`);
      return hasTcpPort(http) && hasTcpPort(grpc);
    });
  }

  /** It is away; what it has passed on stays. */
  async pause(): Promise<void> {
    await this.#peer?.stop();
  }

  async stop(): Promise<void> {
    await this.pause();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** The sum of a metric's points that have these attributes; undefined where there are none. */
  metric(name: string, wanted: Attributes = {}): number | undefined {
    const points = this.points.filter(
      (point) => point.name === name && Object.entries(wanted).every(([key, value]) => point.attributes[key] === value),
    );
    return points.length === 0 ? undefined : points.reduce((sum, { value }) => sum + value, 0);
  }

  #take({ resourceSpans = [], resourceLogs = [], resourceMetrics = [] }: Export): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      for (const { spans } of scopeSpans) this.spans.push(...spans.map((span) => toSpan(span, of(resource))));
    }
    for (const { resource, scopeLogs } of resourceLogs) {
      for (const { logRecords } of scopeLogs) this.logs.push(...logRecords.map((log) => toLog(log, of(resource))));
    }
    for (const { resource, scopeMetrics } of resourceMetrics) {
      const attributes = of(resource);
      const others = this.points.filter((point) => point.resource['service.name'] !== attributes['service.name']);
      const points = scopeMetrics.flatMap(({ metrics }) => metrics.flatMap((metric) => toPoints(metric, attributes)));
      this.points = [...others, ...points];
    }
  }
}

// OTLP as JSON (opentelemetry/proto), as far as it is looked at.

interface KeyValue {
  readonly key: string;
  readonly value: {
    readonly stringValue?: string;
    readonly intValue?: string | number;
    readonly doubleValue?: number;
    readonly boolValue?: boolean;
  };
}

interface RawResource {
  readonly attributes?: readonly KeyValue[];
}

interface RawSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: readonly KeyValue[];
  readonly events?: readonly {
    readonly name: string;
    readonly attributes?: readonly KeyValue[];
    readonly timeUnixNano: string;
  }[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status?: { readonly code?: number };
}

interface RawLog {
  readonly body?: KeyValue['value'];
  readonly severityText?: string;
  readonly eventName?: string;
  readonly traceId?: string;
  readonly spanId?: string;
  readonly attributes?: readonly KeyValue[];
}

interface RawPoint {
  readonly attributes?: readonly KeyValue[];
  readonly asInt?: string;
  readonly asDouble?: number;
  readonly count?: string;
  readonly sum?: number;
  readonly startTimeUnixNano?: string;
}

interface RawMetric {
  readonly name: string;
  readonly unit?: string;
  readonly sum?: { readonly dataPoints: readonly RawPoint[] };
  readonly gauge?: { readonly dataPoints: readonly RawPoint[] };
  readonly histogram?: { readonly dataPoints: readonly RawPoint[] };
}

interface Export {
  readonly resourceSpans?: readonly {
    readonly resource?: RawResource;
    readonly scopeSpans: readonly { readonly spans: readonly RawSpan[] }[];
  }[];
  readonly resourceLogs?: readonly {
    readonly resource?: RawResource;
    readonly scopeLogs: readonly { readonly logRecords: readonly RawLog[] }[];
  }[];
  readonly resourceMetrics?: readonly {
    readonly resource?: RawResource;
    readonly scopeMetrics: readonly { readonly metrics: readonly RawMetric[] }[];
  }[];
}

function of(item: RawResource | undefined): Attributes {
  const values = (item?.attributes ?? []).map(({ key, value }) => [key, valueOf(value)] as const);
  return Object.fromEntries(values);
}

function valueOf(value: KeyValue['value']): string | number | boolean | undefined {
  const { stringValue, intValue, doubleValue, boolValue } = value;
  return stringValue ?? doubleValue ?? boolValue ?? (intValue === undefined ? undefined : Number(intValue));
}

function toSpan(span: RawSpan, resource: Attributes): Span {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId ?? '',
    traceState: span.traceState ?? '',
    name: span.name,
    kind: span.kind,
    attributes: of(span),
    events: (span.events ?? []).map((event) => ({
      name: event.name,
      attributes: of(event),
      time: BigInt(event.timeUnixNano),
    })),
    links: span.links ?? [],
    status: span.status?.code ?? 0,
    start: BigInt(span.startTimeUnixNano),
    end: BigInt(span.endTimeUnixNano),
    resource,
  };
}

function toLog(log: RawLog, resource: Attributes): LogRecord {
  return {
    body: String(valueOf(log.body ?? {}) ?? ''),
    severity: log.severityText ?? '',
    eventName: log.eventName ?? '',
    traceId: log.traceId ?? '',
    spanId: log.spanId ?? '',
    attributes: of(log),
    resource,
  };
}

function toPoints({ name, unit = '', sum, gauge, histogram }: RawMetric, resource: Attributes): Point[] {
  const points = (sum ?? gauge ?? histogram)?.dataPoints ?? [];
  return points.map((point) => ({
    name,
    unit,
    attributes: of(point),
    value: Number(point.count ?? point.asInt ?? point.asDouble ?? 0),
    ...(point.sum !== undefined && { sum: point.sum }),
    start: BigInt(point.startTimeUnixNano ?? 0),
    resource,
  }));
}
