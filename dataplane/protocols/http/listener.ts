/** HTTP, server side: connections, and which version each speaks. */
import type { Socket } from 'node:net';
import type { HttpListener } from '../../../gen/l7mp/config/v1/types.ts';
import type { Listener, ListenerContext } from '../../core/protocol.ts';
import type { Ends } from '../../sockets/addresses.ts';
import { TcpServer } from '../../sockets/tcp-server.ts';
import { ServerConnection, type ServerOptions } from './h1-server.ts';
import type { ConnectionFacts } from './request.ts';

export function createListener(context: ListenerContext<HttpListener>): Listener {
  return new HttpServer(context);
}

class HttpServer implements Listener {
  private readonly context: ListenerContext<HttpListener>;
  private readonly server: TcpServer;
  private readonly options: ServerOptions;
  private readonly connections = new Set<ServerConnection>();
  private counter = 0;

  constructor(context: ListenerContext<HttpListener>) {
    const { spec, log } = context;
    this.context = context;
    this.options = {
      maxHeaderBytes: spec.max_header_bytes,
      headerTimeout: spec.header_timeout,
      keepAliveTimeout: spec.keep_alive_timeout,
    };
    this.server = new TcpServer(spec, log, (socket, ends) => this.connected(socket, ends));
  }

  get address(): string {
    return this.server.address;
  }

  start(): Promise<void> {
    return this.server.start();
  }

  /** Connections without a request are closed; the others go on until theirs is answered. */
  async close(): Promise<void> {
    for (const connection of this.connections) connection.finish();
    await this.server.close();
  }

  private connected(socket: Socket, ends: Ends): void {
    const facts: ConnectionFacts = { ends, scheme: 'http', metadata: {}, forwarded: this.context.spec.forwarded };
    this.serve(socket, facts);
  }

  private serve(socket: Socket, facts: ConnectionFacts): void {
    const connection = new ServerConnection(
      socket,
      facts,
      this.options,
      this.context.accept,
      () => this.counter++,
      (closed) => this.connections.delete(closed),
    );
    this.connections.add(connection);
  }
}
