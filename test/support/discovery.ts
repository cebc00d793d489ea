/** A discovery service for a test, and raw streams of it: the client is @grpc/grpc-js, which knows nothing of xDS. */
import { createHash } from 'node:crypto';
import type * as grpc from '@grpc/grpc-js';
import type { Catalog, View } from '../../controlplane/core/catalog.ts';
import type { RawHandler, RawStream } from '../../controlplane/core/rpc.ts';
import type { NodeEvent, NodeFacts, Resource, ResourceKey } from '../../controlplane/core/resource.ts';
import type { GrpcServerOptions } from '../../controlplane/rpc/server.ts';
import { createDiscoveryService, type DiscoveryOptions } from '../../controlplane/xds/service.ts';
import { createView } from '../../controlplane/xds/view.ts';
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
} from '../../gen/messages.ts';
import { silentLogger } from './doubles.ts';
import { clientOf, type Closers, serve } from './grpc.ts';
import { until } from './until.ts';

export const SERVICE = 'envoy.service.discovery.v3.AggregatedDiscoveryService';
const ENVOY = 'type.googleapis.com/envoy.config.';

export const CDS = `${ENVOY}cluster.v3.Cluster`;
export const EDS = `${ENVOY}endpoint.v3.ClusterLoadAssignment`;
export const LDS = `${ENVOY}listener.v3.Listener`;
export const RDS = `${ENVOY}route.v3.RouteConfiguration`;
export const OTHER = 'type.googleapis.com/test.Other';

/** A resource whose value is a text. */
export function resource(typeUrl: string, name: string, text: string, more: Partial<Resource> = {}): Resource {
  const value = Buffer.from(text);
  return { typeUrl, name, version: createHash('sha256').update(value).digest('hex').slice(0, 16), value, ...more };
}

/** Puts resources into a view. */
export function put(view: View, ...upsert: readonly Resource[]): void {
  view.apply({ upsert, remove: [] });
}

/** Takes resources out of a view. */
export function take(view: View, ...remove: readonly ResourceKey[]): void {
  view.apply({ upsert: [], remove });
}

export interface FakeCatalog extends Catalog {
  readonly events: NodeEvent[];
  readonly attached: NodeFacts[];
  readonly detached: string[];
}

export interface Discovery {
  readonly view: View;
  readonly catalog: FakeCatalog;
  readonly port: number;
  readonly delta: (node?: string, more?: Partial<DeltaDiscoveryRequest>) => DeltaPeer;
  readonly sotw: (node?: string, more?: Partial<DiscoveryRequest>) => SotwPeer;
}

/** Serves one view to everybody. `intercept` is given each stream before the service has it. */
export async function discovery(
  cleanup: Closers,
  options: Partial<DiscoveryOptions> = {},
  server: Partial<GrpcServerOptions> = {},
  intercept: (stream: RawStream) => void = () => {},
): Promise<Discovery> {
  const view = createView();
  const catalog: FakeCatalog = {
    events: [],
    attached: [],
    detached: [],
    attach(node) {
      catalog.attached.push(node);
      return view;
    },
    detach: (id) => void catalog.detached.push(id),
    onMove: () => {},
    observe: (event) => void catalog.events.push(event),
  };
  // Tests of the delay set it.
  const limits = { removalDelayMs: 0, ...options.limits };
  const service = createDiscoveryService({ catalog, identifier: 'test', log: silentLogger, ...options, limits });
  const raw = Object.entries(service.raw ?? {}).map(([method, handler]) => {
    const intercepted: RawHandler = (stream) => {
      intercept(stream);
      handler(stream);
    };
    return [method, intercepted] as const;
  });
  const { port } = await serve([{ ...service, raw: Object.fromEntries(raw) }], server, cleanup);
  return {
    view,
    catalog,
    port,
    delta: (node = 'n', more = {}) => deltaPeer(port, cleanup, node, more),
    sotw: (node = 'n', more = {}) => sotwPeer(port, cleanup, node, more),
  };
}

/** A raw stream of whatever discovery service is at a port; `node`: its identity. */
export function deltaPeer(
  port: number,
  cleanup: Closers,
  node: string,
  more: Partial<DeltaDiscoveryRequest> = {},
): DeltaPeer {
  return new DeltaPeer(open(port, cleanup, 'DeltaAggregatedResources'), nodeOf(node, more.node));
}

export function sotwPeer(port: number, cleanup: Closers, node: string, more: Partial<DiscoveryRequest> = {}): SotwPeer {
  return new SotwPeer(open(port, cleanup, 'StreamAggregatedResources'), nodeOf(node, more.node));
}

function open(port: number, cleanup: Closers, method: string): Duplex {
  return clientOf(SERVICE, port, cleanup).bidirectional(method);
}

function nodeOf(id: string, more: object = {}): object {
  return { id, ...more };
}

type Duplex = grpc.ClientDuplexStream<object, object>;

/** A raw stream: it sends what it is told, and keeps what comes. */
class StreamPeer<Request extends object, Response extends { readonly type_url: string; readonly nonce: string }> {
  readonly received: Response[] = [];
  status: grpc.StatusObject | undefined;
  readonly stream: Duplex;
  #node: object | undefined;
  #sentinels = 0;

  constructor(stream: Duplex, node: object) {
    this.stream = stream;
    this.#node = node;
    stream.on('data', (response: Response) => this.received.push(response));
    stream.on('error', () => undefined);
    stream.on('status', (status: grpc.StatusObject) => (this.status = status));
  }

  /** The first request has the node. */
  send(request: Partial<Request>): void {
    this.stream.write({ ...(this.#node && { node: this.#node }), ...request });
    this.#node = undefined;
  }

  /** The next response, which it takes out of `received`. */
  async next(): Promise<Response> {
    await until('a response', () => this.received.length > 0 || this.status !== undefined);
    const response = this.received.shift();
    if (response === undefined) throw new Error(`expected a response, found ${this.status?.details}`);
    return response;
  }

  /** The status that it ends with. */
  async end(): Promise<grpc.StatusObject> {
    await until('the end of the stream', () => this.status !== undefined);
    return this.status!;
  }

  /**
   * Nothing comes: what is asked now is answered next. Pushes to other types may still be held. An answer goes before what is
   * pushed in its turn, which comes before the next answer.
   */
  async nothing(): Promise<void> {
    await this.#answeredNext();
    await this.#answeredNext();
  }

  async #answeredNext(): Promise<void> {
    this.#sentinels += 1;
    const type_url = `${OTHER}/sentinel-${this.#sentinels}`;
    this.send({ type_url } as unknown as Partial<Request>);
    const response = await this.next();
    if (response.type_url !== type_url) throw new Error(`expected nothing, found ${JSON.stringify(textsOf(response))}`);
    this.ack(response);
  }

  ack({ type_url, nonce }: Response, more: Partial<Request> = {}): void {
    this.send({ type_url, response_nonce: nonce, ...more });
  }

  nack({ type_url, nonce }: Response, message: string): void {
    const error_detail = { code: 3, message, details: [] };
    this.send({ type_url, response_nonce: nonce, error_detail } as unknown as Partial<Request>);
  }
}

export class DeltaPeer extends StreamPeer<DeltaDiscoveryRequest, DeltaDiscoveryResponse> {
  subscribe(type_url: string, ...names: readonly string[]): void {
    this.send({ type_url, resource_names_subscribe: names });
  }

  unsubscribe(type_url: string, ...names: readonly string[]): void {
    this.send({ type_url, resource_names_unsubscribe: names });
  }

  /** The next response, answered. */
  async taken(): Promise<DeltaDiscoveryResponse> {
    const response = await this.next();
    this.ack(response);
    return response;
  }
}

export class SotwPeer extends StreamPeer<DiscoveryRequest, DiscoveryResponse> {
  #names = new Map<string, readonly string[]>();

  subscribe(type_url: string, ...names: readonly string[]): void {
    this.#names.set(type_url, names);
    this.send({ type_url, resource_names: names });
  }

  override ack(response: DiscoveryResponse, more: Partial<DiscoveryRequest> = {}): void {
    const resource_names = this.#names.get(response.type_url) ?? [];
    super.ack(response, { version_info: response.version_info, resource_names, ...more });
  }

  override nack(response: DiscoveryResponse, message: string): void {
    const resource_names = this.#names.get(response.type_url) ?? [];
    const error_detail = { code: 3, message, details: [] };
    this.send({ type_url: response.type_url, response_nonce: response.nonce, resource_names, error_detail });
  }

  /** The next response, answered. */
  async taken(): Promise<DiscoveryResponse> {
    const response = await this.next();
    this.ack(response);
    return response;
  }
}

/** What a response brings: `NAME=text` of delta, `text` of state of the world, `-NAME` of what is removed; sorted. */
export function textsOf(response: object): readonly string[] {
  const { resources = [], removed_resources: removed = [] } = response as Partial<DeltaDiscoveryResponse>;
  const texts = resources.map((each) => {
    if ('name' in each) return `${each.name}=${each.resource?.value.toString() ?? ''}`;
    return String((each as unknown as { value: Buffer }).value);
  });
  return [...texts, ...removed.map((name) => `-${name}`)].toSorted();
}
