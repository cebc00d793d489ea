/** A control plane of grpc-js: a test plays it by hand, or lets it answer subscriptions by itself. */
import { Server, ServerCredentials, type ServerDuplexStream, type Metadata } from '@grpc/grpc-js';
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
  ReportRequest,
  ResourceReport,
} from '../../gen/messages.ts';
import { codecOf } from '../../rpc/protos.ts';
import { serviceOf } from '../../rpc/services.ts';
import { until } from './until.ts';

const PREFIX = 'type.googleapis.com/l7mp.config.v1.';
const ADS = 'envoy.service.discovery.v3.AggregatedDiscoveryService';
const METHODS = { delta: 'DeltaAggregatedResources', sotw: 'StreamAggregatedResources' } as const;

/** Any field that a request of one of the variants has. */
export type AnyRequest = DeltaDiscoveryRequest & DiscoveryRequest;

export const typeUrl = (kind: string): string => `${PREFIX}${kind}`;

/** A message as it is on the wire, whatever the validator would say. `value`: with a spec as in `{tcp: {port: 1}}`. */
export function any(kind: string, value: object): { readonly type_url: string; readonly value: Buffer } {
  return { type_url: typeUrl(kind), value: codecOf<object>(PREFIX.slice(20) + kind, 'absent').encode(value) };
}

/** One discovery stream. */
export class RawStream {
  readonly variant: keyof typeof METHODS;
  readonly metadata: Metadata;
  readonly requests: AnyRequest[] = [];
  /** What was asked for, by type URL; `*` for all. */
  readonly subscribed = new Map<string, Set<string>>();
  isOver = false;
  private readonly call: ServerDuplexStream<AnyRequest, object>;
  private nonce = 0;

  constructor(variant: keyof typeof METHODS, call: ServerDuplexStream<AnyRequest, object>) {
    this.variant = variant;
    this.call = call;
    this.metadata = call.metadata;
  }

  /** The common name of the client's certificate. */
  get peerName(): unknown {
    const { transportSecurityType: type, sslPeerCertificate: certificate } = this.call.getAuthContext();
    return type === 'ssl' ? certificate?.subject.CN : undefined;
  }

  /** The first request that fits, in whatever order they came. */
  request(kind: string, fits: (request: AnyRequest) => boolean = () => true): Promise<AnyRequest> {
    return until(`a request for ${kind}`, () =>
      this.requests.find((each) => each.type_url === typeUrl(kind) && fits(each)),
    );
  }

  /** The answer to the response with a nonce. */
  answerTo(kind: string, nonce: string): Promise<AnyRequest> {
    return this.request(kind, ({ response_nonce }) => response_nonce === nonce);
  }

  /** Sends resources by name, `[version, message]` each; gives the nonce. */
  delta(kind: string, resources: Record<string, [string, object]>, removed: string[] = []): string {
    const list = Object.entries(resources).map(([name, [version, value]]) => ({
      name,
      version,
      resource: any(kind, value),
    }));
    return this.send({ type_url: typeUrl(kind), resources: list, removed_resources: removed } as never);
  }

  sotw(kind: string, version_info: string, values: readonly object[]): string {
    return this.send({ type_url: typeUrl(kind), version_info, resources: values.map((each) => any(kind, each)) });
  }

  send(response: Partial<DeltaDiscoveryResponse> | Partial<DiscoveryResponse>): string {
    const nonce = `n${++this.nonce}`;
    this.call.write({ ...response, nonce });
    return nonce;
  }

  /** A message of these bytes, whatever they are. */
  sendBytes(bytes: Buffer): void {
    this.call.write(bytes);
  }

  end(): void {
    this.call.end();
  }
}

interface Options {
  /** The variants that are implemented; both when absent. */
  readonly variants?: readonly (keyof typeof METHODS)[];
  readonly reports?: boolean;
  /** Subscriptions are answered with what was `set`. */
  readonly auto?: boolean;
  readonly credentials?: ServerCredentials;
  readonly port?: number;
}

export class RawControlPlane {
  readonly streams: RawStream[] = [];
  /** The last report of each resource, by kind and name as in `Listener in`. */
  readonly reports = new Map<string, ResourceReport>();
  readonly reportRequests: ReportRequest[] = [];
  address = '';
  private readonly server = new Server();
  private readonly options: Options;
  private readonly resources = new Map<string, Map<string, { version: string; message: object }>>();
  private version = 0;

  private constructor(options: Options) {
    this.options = options;
  }

  static async start(options: Options = {}): Promise<RawControlPlane> {
    const plane = new RawControlPlane(options);
    const { variants = ['delta', 'sotw'], reports = true, credentials = ServerCredentials.createInsecure() } = options;
    const methods = serviceOf(ADS);
    for (const variant of variants) {
      const { [METHODS[variant]]: method } = methods;
      const responseSerialize = (message: object): Buffer | undefined =>
        Buffer.isBuffer(message) ? message : method?.responseSerialize(message);
      plane.server.addService({ [METHODS[variant]]: { ...method, responseSerialize } } as never, {
        [METHODS[variant]]: (call: ServerDuplexStream<AnyRequest, object>) => plane.accept(variant, call),
      });
    }
    if (reports) {
      plane.server.addService(serviceOf('l7mp.admin.v1.ReportService'), {
        Report: (call: ServerDuplexStream<ReportRequest, object>) => plane.acceptReports(call),
      });
    }
    const port = await new Promise<number>((resolve, reject) => {
      plane.server.bindAsync(`127.0.0.1:${options.port ?? 0}`, credentials, (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
    plane.address = `127.0.0.1:${port}`;
    return plane;
  }

  /** The stream that comes next, or has come: they are counted from 0. */
  stream(index = 0): Promise<RawStream> {
    return until(`stream ${index}`, () => this.streams[index]);
  }

  /** Adds or replaces a resource, and tells everybody (delta). */
  set(kind: string, message: { readonly name: string }): string {
    const version = `v${++this.version}`;
    const names = this.resources.get(typeUrl(kind)) ?? new Map<string, never>();
    this.resources.set(typeUrl(kind), names.set(message.name, { version, message }));
    for (const stream of this.streams) {
      const wanted = stream.subscribed.get(typeUrl(kind));
      if (!stream.isOver && (wanted?.has('*') || wanted?.has(message.name))) {
        stream.delta(kind, { [message.name]: [version, message] });
      }
    }
    return version;
  }

  remove(kind: string, name: string): void {
    this.resources.get(typeUrl(kind))?.delete(name);
    for (const stream of this.streams) {
      if (!stream.isOver && stream.subscribed.has(typeUrl(kind))) stream.delta(kind, {}, [name]);
    }
  }

  /** Ends all connections, and frees the port. */
  stop(): void {
    this.server.forceShutdown();
  }

  private accept(variant: keyof typeof METHODS, call: ServerDuplexStream<AnyRequest, object>): void {
    const stream = new RawStream(variant, call);
    this.streams.push(stream);
    call.on('data', (request: AnyRequest) => {
      stream.requests.push(request);
      if (this.options.auto) this.answer(stream, request);
    });
    call.on('error', () => undefined);
    call.on('cancelled', () => (stream.isOver = true));
    call.on('end', () => {
      stream.isOver = true;
      call.end();
    });
  }

  private answer(stream: RawStream, request: AnyRequest): void {
    const { type_url } = request;
    const kind = type_url.slice(PREFIX.length);
    const all = this.resources.get(type_url) ?? new Map<string, { version: string; message: object }>();
    if (stream.variant === 'sotw') {
      if (request.response_nonce !== '') return;
      stream.sotw(
        kind,
        `v${this.version}`,
        [...all.values()].map(({ message }) => message),
      );
      return;
    }
    const wanted = stream.subscribed.get(type_url) ?? new Set<string>();
    const isFirst = !stream.subscribed.has(type_url);
    stream.subscribed.set(type_url, wanted);
    if (isFirst && request.resource_names_subscribe.length === 0) wanted.add('*');
    const { resource_names_subscribe: more, initial_resource_versions: held } = request;
    for (const name of more) wanted.add(name);
    for (const name of request.resource_names_unsubscribe) wanted.delete(name);
    if (!isFirst && more.length === 0) return;
    const sent = [...all].filter(([name, { version }]) =>
      isFirst && wanted.has('*') ? held[name] !== version : more.includes(name),
    );
    const removed = [...Object.keys(held), ...more].filter((name) => !all.has(name));
    const resources = Object.fromEntries(
      sent.map(([name, { version, message }]): [string, [string, object]] => [name, [version, message]]),
    );
    stream.delta(kind, resources, removed);
  }

  private acceptReports(call: ServerDuplexStream<ReportRequest, object>): void {
    call.on('data', (request: ReportRequest) => {
      this.reportRequests.push(request);
      for (const report of request.resources) {
        this.reports.set(`${report.type_url.slice(PREFIX.length)} ${report.name}`, report);
      }
      call.write({});
    });
    call.on('error', () => undefined);
    call.on('end', () => call.end());
  }
}
