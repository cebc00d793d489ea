/** HTTP, client side: requests over kept connections to each endpoint. */
import type { Socket } from 'node:net';
import type { HttpCluster } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { Connector, ConnectorContext, ConnectRequest, Target } from '../../core/protocol.ts';
import type { Stream } from '../../core/stream.ts';
import { formatAddress } from '../../sockets/addresses.ts';
import { ConnectionDialer } from '../../sockets/connection-dialer.ts';
import type { DialRequest } from '../../sockets/tcp-connect.ts';
import { ALPN } from './alpn.ts';
import { ClientConnection, ClientStream, Pool } from './h1-client.ts';
import type { Http2Client } from './h2-client.ts';
import { type OutgoingRequest, outgoingRequest } from './request.ts';

export function createConnector(context: ConnectorContext<HttpCluster>): Connector {
  return new HttpConnector(context);
}

class HttpConnector implements Connector {
  private readonly spec: HttpCluster;
  private readonly dialer: ConnectionDialer;
  /** Whether an endpoint may choose HTTP/2. */
  private readonly mayChooseH2: boolean;
  /** By endpoint, as long as it has connections. */
  private readonly pools = new Map<string, Pool>();
  /** Connections under way that may become HTTP/2, by endpoint: others wait to share what comes of them. */
  private readonly dialing = new Map<string, Promise<unknown>>();
  /** Endpoints whose last connection chose HTTP/1.1: nobody has to wait there. */
  private readonly speaksH1 = new Set<string>();
  /** The endpoints of now, for which alone something is kept; undefined: whatever is asked for. */
  private current: ReadonlySet<string> | undefined;
  private h2: Http2Client | undefined;
  private loading: Promise<Http2Client> | undefined;

  constructor(context: ConnectorContext<HttpCluster>) {
    const { spec } = context;
    this.spec = spec;
    this.dialer = new ConnectionDialer(spec, context, ALPN[spec.version]);
    this.mayChooseH2 = spec.version === '2' || spec.tls !== undefined;
  }

  connect(request: ConnectRequest): Stream | Promise<Stream> {
    const { target, metadata, altered, trace } = request;
    // It may throw: no connection is taken before.
    const outgoing = outgoingRequest(metadata, this.spec, formatAddress(target.hostname, target.port), altered, trace);
    const kept = this.pools.get(target.connectionKey)?.take();
    if (kept) return this.ask(kept, request, outgoing);
    return this.h2?.request(request, outgoing) ?? this.connectAnew(request, outgoing);
  }

  private async connectAnew(request: ConnectRequest, outgoing: OutgoingRequest): Promise<Stream> {
    const key = request.target.connectionKey;
    for (let other = this.dialing.get(key); other !== undefined; other = this.dialing.get(key)) {
      // Another request began it: its failure, or its impatience, isn't this one's.
      await other.catch(() => undefined);
      if (request.signal.aborted)
        throw new ProxyError('CONNECT_TIMEOUT', 'the session did not wait for its connection');
      const shared = this.h2?.request(request, outgoing);
      if (shared) return shared;
    }
    const opened = this.open(request, outgoing);
    if (!this.mayChooseH2 || this.speaksH1.has(key)) return opened;
    this.dialing.set(key, opened);
    try {
      return await opened;
    } finally {
      this.dialing.delete(key);
    }
  }

  /** A new connection speaks what its endpoint chooses now, whatever an earlier one spoke. */
  private async open(request: ConnectRequest, outgoing: OutgoingRequest): Promise<Stream> {
    const socket = await this.dialer.connect(request);
    if (!this.choseH2(socket, request.target))
      return this.ask(this.connection(socket, request.target), request, outgoing);
    socket.on('error', () => undefined); // HTTP/2 may have to be loaded first
    this.loading ??= this.loadH2();
    const client = await this.loading;
    return client.start(request, outgoing, socket, this.isCurrent(request.target.connectionKey));
  }

  private choseH2(socket: Socket, { connectionKey }: Target): boolean {
    const h2 = this.spec.version === '2' || ('alpnProtocol' in socket && socket.alpnProtocol === 'h2');
    if (h2) this.speaksH1.delete(connectionKey);
    else if (this.isCurrent(connectionKey)) this.speaksH1.add(connectionKey);
    return h2;
  }

  private async loadH2(): Promise<Http2Client> {
    const { Http2Client } = await import('./h2-client.ts');
    this.h2 = new Http2Client(this.spec);
    return this.h2;
  }

  private ask(connection: ClientConnection, request: ConnectRequest, outgoing: OutgoingRequest): Stream {
    return new ClientStream(connection, outgoing, {
      responseTimeout: this.spec.response_timeout,
      report: (ok) => request.report(ok),
      reconnect: async () => {
        const { target } = request;
        const socket = await this.dialer.connect(again(request));
        if (!this.choseH2(socket, target)) return this.connection(socket, target);
        socket.on('error', () => undefined).destroy();
        throw new ProxyError('PROTOCOL_ERROR', `${target.name} chose HTTP/2 for a request that was begun in HTTP/1.1`);
      },
    });
  }

  private connection(socket: Socket, { connectionKey: key }: Target): ClientConnection {
    return new ClientConnection(socket, this.pools.get(key) ?? this.newPool(key));
  }

  private newPool(key: string): Pool {
    const pool = new Pool({
      maxIdle: this.spec.max_idle_connections,
      idleTimeout: this.spec.idle_timeout,
      onEmpty: () => {
        if (this.pools.get(key) === pool) this.pools.delete(key);
      },
    });
    if (this.isCurrent(key)) this.pools.set(key, pool);
    else pool.close();
    return pool;
  }

  private isCurrent(key: string): boolean {
    return this.current?.has(key) ?? true;
  }

  /** Requests that are under way to endpoints that are gone go on, each on its connection. */
  retain(keys: ReadonlySet<string>): void {
    this.current = keys;
    for (const [key, pool] of this.pools) {
      if (keys.has(key)) continue;
      this.pools.delete(key);
      pool.close();
    }
    for (const key of this.speaksH1) if (!keys.has(key)) this.speaksH1.delete(key);
    this.h2?.retain(keys);
  }

  async close(): Promise<void> {
    // Requests that are being connected keep no connection either.
    this.retain(new Set());
    (await this.loading)?.close();
    await this.dialer.close();
  }
}

/** The same connection again, with a time of its own. */
function again({ target, metadata, timeout }: ConnectRequest): DialRequest {
  const signal = AbortSignal.timeout(timeout);
  return {
    target,
    metadata,
    signal,
    onAbort: (handler) => {
      signal.onabort = () => handler?.(ProxyError.from(signal.reason, 'CONNECT_TIMEOUT'));
    },
  };
}
