/** HTTP, client side: requests over kept connections to each endpoint. */
import type { Socket } from 'node:net';
import type { HttpCluster } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../core/errors.ts';
import type { Connector, ConnectorContext, ConnectRequest, Target } from '../../core/protocol.ts';
import type { Stream } from '../../core/stream.ts';
import { formatAddress } from '../../sockets/addresses.ts';
import { ConnectionDialer } from '../../sockets/connection-dialer.ts';
import type { DialRequest } from '../../sockets/tcp-connect.ts';
import { ClientConnection, ClientStream, Pool } from './h1-client.ts';
import type { Http2Client } from './h2-client.ts';
import { outgoingRequest } from './request.ts';

export function createConnector(context: ConnectorContext<HttpCluster>): Connector {
  return new HttpConnector(context);
}

class HttpConnector implements Connector {
  private readonly spec: HttpCluster;
  private readonly dialer: ConnectionDialer;
  private readonly pools = new Map<string, Pool>();
  private h2: Promise<Http2Client> | undefined;
  /** Endpoints that chose HTTP/2 by ALPN. */
  private readonly speaksH2 = new Set<string>();

  constructor(context: ConnectorContext<HttpCluster>) {
    const { spec } = context;
    this.spec = spec;
    this.dialer = new ConnectionDialer(spec, context, ALPN[spec.version]);
  }

  connect(request: ConnectRequest): Stream | Promise<Stream> {
    const { target } = request;
    if (this.spec.version === '2') return this.connectH2(request);
    const pool = this.poolOf(target);
    const kept = pool.take();
    if (kept) return this.ask(kept, pool, request);
    if (this.speaksH2.has(keyOf(target))) return this.connectH2(request);
    return this.connectAnew(pool, request);
  }

  private async connectAnew(pool: Pool, request: ConnectRequest): Promise<Stream> {
    const socket = await this.dialer.connect(request);
    if ('alpnProtocol' in socket && socket.alpnProtocol === 'h2') {
      this.speaksH2.add(keyOf(request.target));
      return this.connectH2(request, socket);
    }
    return this.ask(new ClientConnection(socket, pool), pool, request);
  }

  private async connectH2(request: ConnectRequest, socket?: Socket): Promise<Stream> {
    this.h2 ??= this.makeH2();
    return (await this.h2).request(request, socket);
  }

  private async makeH2(): Promise<Http2Client> {
    const { Http2Client } = await import('./h2-client.ts');
    return new Http2Client(this.spec, this.dialer);
  }

  private ask(connection: ClientConnection, pool: Pool, request: ConnectRequest): Stream {
    const { target, metadata } = request;
    const authority = formatAddress(target.hostname, target.port);
    return new ClientStream(connection, outgoingRequest(metadata, this.spec, authority), {
      responseTimeout: this.spec.response_timeout,
      report: (ok) => request.report(ok),
      reconnect: async () => new ClientConnection(await this.dialer.connect(again(request)), pool),
    });
  }

  private poolOf(target: Target): Pool {
    const key = keyOf(target);
    let pool = this.pools.get(key);
    if (pool === undefined) {
      pool = new Pool({ maxIdle: this.spec.max_idle_connections, idleTimeout: this.spec.idle_timeout });
      this.pools.set(key, pool);
    }
    return pool;
  }

  async close(): Promise<void> {
    for (const pool of this.pools.values()) pool.close();
    this.pools.clear();
    (await this.h2)?.close();
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

function keyOf({ address, port, hostname }: Target): string {
  return `${address} ${port} ${hostname}`;
}

/** What TLS offers, by the configured version. */
const ALPN: Readonly<Record<HttpCluster['version'], readonly string[]>> = {
  auto: ['h2', 'http/1.1'],
  '1.1': ['http/1.1'],
  '2': ['h2'],
};
