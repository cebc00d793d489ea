/** WebSocket, server side: the handshake is answered when the session is connected. */
import { createServer, type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import type { WebSocketListener } from '../../../gen/l7mp/config/v1/types.ts';
import { BaseStream } from '../../core/base-stream.ts';
import type { ErrorCode, ProxyError } from '../../core/errors.ts';
import type { Listener, ListenerContext } from '../../core/protocol.ts';
import type { Metadata } from '../../core/session.ts';
import type { EndReason, Framing, Sink, Stream } from '../../core/stream.ts';
import { endsMetadata, sessionName } from '../../sockets/addresses.ts';
import { type Connection, ConnectionServer } from '../../sockets/connection-server.ts';
import { type HttpMetadata, urlParts } from '../../sockets/http-metadata.ts';
import { WebSocketStream } from './websocket-stream.ts';

export function createListener(context: ListenerContext<WebSocketListener>): Listener {
  return new WebSocketServerListener(context);
}

const REFUSALS: Readonly<Partial<Record<ErrorCode, number>>> = {
  CONNECT_TIMEOUT: 504,
  LIMIT_EXCEEDED: 503,
  NO_ENDPOINT: 503,
  NO_ROUTE: 404,
  RATE_LIMITED: 429,
  CIRCUIT_OPEN: 503,
  DRAINED: 503,
};

class WebSocketServerListener implements Listener {
  private readonly context: ListenerContext<WebSocketListener>;
  private readonly server: ConnectionServer;
  private readonly http: Server;
  private readonly upgrader: WebSocketServer;
  private readonly facts = new WeakMap<object, Connection>();
  private counter = 0;

  constructor(context: ListenerContext<WebSocketListener>) {
    const { spec, log } = context;
    this.context = context;
    const { subprotocols } = spec;
    this.upgrader = new WebSocketServer({
      noServer: true,
      maxPayload: spec.max_message_bytes,
      perMessageDeflate: spec.compress,
      skipUTF8Validation: false,
      clientTracking: false,
      handleProtocols: (offered) =>
        subprotocols.length === 0
          ? ([...offered][0] ?? false)
          : (subprotocols.find((each) => offered.has(each)) ?? false),
    });
    this.http = createServer((_request, response) => {
      response.writeHead(426, { connection: 'close', upgrade: 'websocket' }).end('expected a WebSocket\n');
    });
    this.http.on('upgrade', (request, _socket, head) => this.upgrade(request, head));
    this.http.on('clientError', (_error, socket) => socket.destroy());
    this.server = new ConnectionServer(spec, log, (connection) => {
      this.facts.set(connection.socket, connection);
      this.http.emit('connection', connection.socket);
    });
  }

  get address(): string {
    return this.server.address;
  }

  start(): Promise<void> {
    return this.server.start();
  }

  async close(): Promise<void> {
    await this.server.close();
    this.http.closeAllConnections();
  }

  private upgrade(request: IncomingMessage, head: Buffer): void {
    const { spec, accept } = this.context;
    const { socket } = request;
    const connection = this.facts.get(socket);
    if (connection === undefined) {
      socket.destroy();
      return;
    }
    socket.on('error', () => undefined); // until the WebSocket hears of it
    const metadata = handshakeMetadata(request, connection, spec.tls !== undefined);
    const { path } = (metadata['HTTP'] as unknown as HttpMetadata).url;
    if (spec.path !== undefined && spec.path !== path) {
      answer(socket, 404, `expected the path ${spec.path}\n`);
      return;
    }
    const stream = new HandshakeStream(socket, (done) => {
      this.upgrader.handleUpgrade(request, socket, head, (websocket) => {
        socket.setNoDelay(true);
        done(new WebSocketStream(websocket, socket, spec.ping_interval));
      });
    });
    accept({ name: `${sessionName('WS', connection.ends)}-${this.counter++}`, metadata, stream });
  }
}

function handshakeMetadata(request: IncomingMessage, { ends, metadata }: Connection, secure: boolean): Metadata {
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : (value ?? ''),
    ]),
  );
  const http: HttpMetadata = {
    method: request.method ?? 'GET',
    version: request.httpVersion,
    url: urlParts(request.url ?? '/', request.headers.host, secure ? 'wss' : 'ws'),
    headers,
  };
  return { ...endsMetadata('TCP', ends), ...metadata, HTTP: http as unknown as Metadata };
}

function answer(socket: Socket, status: number, body: string): void {
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\ncontent-type: text/plain\r\nconnection: close\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** A session whose handshake isn't answered yet: then the stream is the WebSocket's. */
class HandshakeStream extends BaseStream implements Stream {
  readonly framing = 'datagrams';
  readonly reliable = true;
  readonly halfClose = true;
  private readonly socket: Socket;
  private readonly complete: (done: (stream: WebSocketStream) => void) => void;
  private inner: WebSocketStream | undefined;
  private adopted: Framing | undefined;

  constructor(socket: Socket, complete: (done: (stream: WebSocketStream) => void) => void) {
    super();
    this.socket = socket;
    this.complete = complete;
    socket.on('close', this.onSocketClose);
  }

  private readonly onSocketClose = (): void => {
    if (this.inner === undefined) this.emitClose();
  };

  protected start(): void {
    // Nothing comes before the handshake is answered.
  }

  adoptFraming(framing: Framing): void {
    this.adopted = framing;
    this.inner?.adoptFraming(framing);
  }

  connected(): void {
    if (this.closed) return;
    this.complete((stream) => {
      this.inner = stream;
      if (this.adopted) stream.adoptFraming(this.adopted);
      stream.open(this.forward(this.sink));
    });
    // A handshake that `ws` finds wrong, it answers itself and closes the socket.
  }

  private forward(sink: Sink): Sink {
    return {
      data: (chunk, text) => sink.data(chunk, text),
      signal: (signal) => sink.signal(signal),
      end: (reason) => sink.end(reason),
      drain: () => sink.drain(),
      close: (error) => this.emitClose(error),
    };
  }

  refuse(error: ProxyError): void {
    answer(this.socket, REFUSALS[error.code] ?? 502, `${error.code}\n`);
    this.emitClose();
  }

  write(chunk: Buffer, text: boolean): boolean {
    return this.inner?.write(chunk, text) ?? true;
  }

  end(reason?: EndReason): void {
    if (this.inner) this.inner.end(reason);
    else this.socket.end();
  }

  pause(): void {
    this.inner?.pause();
  }

  resume(): void {
    this.inner?.resume();
  }

  destroy(error?: ProxyError): void {
    if (this.inner) this.inner.destroy(error);
    else {
      this.socket.destroy();
      this.emitClose(error);
    }
  }
}
