/** HTTP, client side: requests over kept connections to each endpoint. */
import type { HttpCluster } from '../../../gen/l7mp/config/v1/types.ts';
import type { Connector, ConnectorContext, ConnectRequest, Target } from '../../core/protocol.ts';
import type { Stream } from '../../core/stream.ts';
import { formatAddress } from '../../sockets/addresses.ts';
import { connectTcp } from '../../sockets/tcp-connect.ts';
import { ClientConnection, ClientStream, Pool } from './h1-client.ts';
import { outgoingRequest } from './request.ts';

export function createConnector(context: ConnectorContext<HttpCluster>): Connector {
  return new HttpConnector(context);
}

class HttpConnector implements Connector {
  private readonly spec: HttpCluster;
  private readonly pools = new Map<string, Pool>();

  constructor({ spec }: ConnectorContext<HttpCluster>) {
    this.spec = spec;
  }

  connect(request: ConnectRequest): Stream | Promise<Stream> {
    const { target } = request;
    const pool = this.poolOf(target);
    const kept = pool.take();
    return kept ? this.ask(kept, pool, request) : this.connectAnew(pool, request);
  }

  private async connectAnew(pool: Pool, request: ConnectRequest): Promise<Stream> {
    return this.ask(await this.dial(pool, request.target, request.signal), pool, request);
  }

  private async dial(pool: Pool, target: Target, signal: AbortSignal): Promise<ClientConnection> {
    return new ClientConnection(await connectTcp(target, {}, signal), pool);
  }

  private ask(connection: ClientConnection, pool: Pool, request: ConnectRequest): Stream {
    const { target, timeout, metadata } = request;
    const authority = formatAddress(target.hostname, target.port);
    return new ClientStream(connection, outgoingRequest(metadata, this.spec, authority), {
      responseTimeout: this.spec.response_timeout,
      report: (ok) => request.report(ok),
      reconnect: () => this.dial(pool, target, AbortSignal.timeout(timeout)),
    });
  }

  private poolOf({ address, port }: Target): Pool {
    const key = `${address} ${port}`;
    let pool = this.pools.get(key);
    if (pool === undefined) {
      pool = new Pool({ maxIdle: this.spec.max_idle_connections, idleTimeout: this.spec.idle_timeout });
      this.pools.set(key, pool);
    }
    return pool;
  }

  close(): Promise<void> {
    for (const pool of this.pools.values()) pool.close();
    this.pools.clear();
    return Promise.resolve();
  }
}
