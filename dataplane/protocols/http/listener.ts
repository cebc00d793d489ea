/** HTTP, server side: connections, and which version each speaks. */
import type { Socket } from 'node:net';
import type { HttpListener } from '../../../gen/l7mp/config/v1/types.ts';
import type { Listener, ListenerContext } from '../../core/protocol.ts';
import { type Connection, ConnectionServer } from '../../sockets/connection-server.ts';
import { ALPN } from './alpn.ts';
import { ServerConnection, type ServerOptions } from './h1-server.ts';
import type { ConnectionFacts } from './request.ts';

export function createListener(context: ListenerContext<HttpListener>): Listener {
  return new HttpServer(context);
}

/** Of either version. */
interface ServedConnection {
  /** Closes it once no request is being answered. */
  finish(): void;
  /** Lets its client know that it ends, and closes it once that knows. */
  retire(): void;
}

class HttpServer implements Listener {
  private readonly context: ListenerContext<HttpListener>;
  private readonly server: ConnectionServer;
  private readonly options: ServerOptions;
  private readonly connections = new Set<ServedConnection>();
  private counter = 0;
  private closed = false;
  private onEmpty: (() => void) | undefined;

  constructor(context: ListenerContext<HttpListener>) {
    const { spec } = context;
    this.context = context;
    this.options = {
      maxHeaderBytes: spec.max_header_bytes,
      headerTimeout: spec.header_timeout,
      keepAliveTimeout: spec.keep_alive_timeout,
    };
    this.server = new ConnectionServer(spec, context, (connection) => this.connected(connection), ALPN[spec.version]);
  }

  get address(): string {
    return this.server.address;
  }

  get certificateExpiry(): number | undefined {
    return this.server.certificateExpiry;
  }

  start(): Promise<void> {
    return this.server.start();
  }

  /** A client may send its next request while it has not heard that it should not: that is answered, too. */
  async drain(): Promise<void> {
    this.closed = true;
    await this.server.close();
    for (const connection of this.connections) connection.retire();
    if (this.connections.size > 0) await new Promise<void>((resolve) => (this.onEmpty = resolve));
  }

  /** Connections without a request are closed; the others go on until theirs is answered. */
  async close(): Promise<void> {
    this.closed = true;
    for (const connection of this.connections) connection.finish();
    await this.server.close();
  }

  private connected({ socket, ends, metadata, alpn }: Connection): void {
    const { version, tls, forwarded } = this.context.spec;
    const facts: ConnectionFacts = { ends, scheme: tls ? 'https' : 'http', metadata, forwarded };
    if (alpn === 'h2' || (version === '2' && alpn === undefined)) void this.serveH2(socket, facts);
    else if (version === 'auto' && tls === undefined) this.detect(socket, facts);
    else this.serveH1(socket, facts);
  }

  /** Without TLS nothing names the version but the first bytes (RFC 9113, section 3.3). */
  private detect(socket: Socket, facts: ConnectionFacts): void {
    this.serveH1(socket, facts, () => void this.serveH2(socket, facts));
  }

  private serveH1(socket: Socket, facts: ConnectionFacts, onPreface?: () => void): void {
    const connection = new ServerConnection(
      socket,
      facts,
      this.options,
      this.context,
      () => this.counter++,
      (closed) => this.forget(closed),
      onPreface,
    );
    this.connections.add(connection);
  }

  private async serveH2(socket: Socket, facts: ConnectionFacts): Promise<void> {
    const { serveHttp2 } = await import('./h2-server.ts');
    if (socket.destroyed) return;
    const session = serveHttp2(socket, facts, this.options, this.context.accept, () => this.counter++);
    // GOAWAY says which requests are answered (RFC 9113, section 6.8).
    const connection = { finish: () => session.close(), retire: () => session.close() };
    this.connections.add(connection);
    if (this.closed) connection.finish(); // while HTTP/2 was loaded
    session.once('close', () => this.forget(connection));
  }

  private forget(connection: ServedConnection): void {
    this.connections.delete(connection);
    if (this.connections.size === 0) this.onEmpty?.();
  }
}
