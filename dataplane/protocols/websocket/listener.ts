/** WebSocket, server side: a session for each handshake, which is answered when the session is connected. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import type { WebSocketListener } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { Listener, ListenerContext } from '../../core/protocol.ts';
import type { Metadata } from '../../core/session.ts';
import { endsMetadata, formatAddress, sessionName } from '../../sockets/addresses.ts';
import { type Connection, ConnectionServer } from '../../sockets/connection-server.ts';
import { Http, type HttpMetadata, traceOfRequest, urlParts } from '../../sockets/http-metadata.ts';
import { tlsRecordAt } from '../../sockets/tls-record.ts';
import { handshakeFault, subprotocolsOf } from './codec.ts';
import { FrameGate } from './frames.ts';
import { HandshakeStream } from './handshake-stream.ts';
import { answer } from './refusal.ts';
import { chosenSubprotocol, offerSubprotocols } from './subprotocols.ts';
import { WebSocketStream } from './websocket-stream.ts';

/** How long a client may take for its request, in ms. */
const REQUEST_TIMEOUT = 10_000;

/** An error of the parser of Node.js, with the bytes that it did not take. */
type ParseError = NodeJS.ErrnoException & { readonly rawPacket?: Buffer };

export function createListener(context: ListenerContext<WebSocketListener>): Listener {
  return new WebSocketServerListener(context);
}

/** A connection whose request has not come yet. */
interface Waiting {
  readonly connection: Connection;
  readonly timer: NodeJS.Timeout;
}

class WebSocketServerListener implements Listener {
  private readonly context: ListenerContext<WebSocketListener>;
  private readonly server: ConnectionServer;
  private readonly http: Server;
  private readonly upgrader: WebSocketServer;
  private readonly waiting = new Map<Socket, Waiting>();
  /** What is known of each request that is being answered: for its subprotocol. */
  private readonly metadata = new WeakMap<IncomingMessage, Metadata>();
  private counter = 0;

  constructor(context: ListenerContext<WebSocketListener>) {
    const { spec } = context;
    this.context = context;
    this.upgrader = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: spec.max_message_bytes,
      perMessageDeflate: spec.compress,
      handleProtocols: (_offered, request) => chosenSubprotocol(this.metadata.get(request) ?? {}) ?? false,
    });
    this.http = createServer((request, response) => {
      const { path } = urlParts(request.url ?? '/', undefined, '');
      const isElsewhere = spec.path !== undefined && spec.path !== path;
      response.writeHead(isElsewhere ? 404 : 426, { connection: 'close', upgrade: 'websocket' });
      response.end(isElsewhere ? `expected the path ${spec.path}\n` : 'expected a WebSocket\n');
    });
    this.http.on('upgrade', (request, socket: Socket, head) => this.upgrade(request, socket, head));
    this.http.on('clientError', (error: ParseError, socket: Socket) => this.malformed(error, socket));
    this.server = new ConnectionServer(spec, context, (connection) => this.connected(connection));
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

  async close(): Promise<void> {
    for (const socket of this.waiting.keys()) socket.destroy();
    await this.server.close();
  }

  /** Node.js has timeouts for requests only where it listens itself. */
  private connected(connection: Connection): void {
    const { socket } = connection;
    const timer = setTimeout(() => socket.destroy(), REQUEST_TIMEOUT).unref();
    this.waiting.set(socket, { connection, timer });
    socket.once('close', () => this.take(socket));
    this.http.emit('connection', socket);
  }

  /** What came is no request of HTTP, or the connection broke before it was one. */
  private malformed({ code, message, rawPacket }: ParseError, socket: Socket): void {
    const connection = this.take(socket);
    if (connection === undefined || code?.startsWith('HPE_') !== true) {
      socket.destroy();
      return;
    }
    const secure = rawPacket && tlsRecordAt(rawPacket, 0);
    const found =
      secure === undefined ? message : `${secure}: perhaps the client wants wss, and this listener has no tls`;
    const error = new ProxyError('PROTOCOL_ERROR', `expected a WebSocket's handshake, found ${found}`);
    const { srcAddress, srcPort } = connection.ends;
    this.context.refused(error, formatAddress(srcAddress, srcPort));
    answer(socket, code === 'HPE_HEADER_OVERFLOW' ? 431 : 400, error.message);
  }

  private take(socket: Socket): Connection | undefined {
    const waiting = this.waiting.get(socket);
    clearTimeout(waiting?.timer);
    this.waiting.delete(socket);
    return waiting?.connection;
  }

  private upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const { spec, accept } = this.context;
    const connection = this.take(socket);
    if (connection === undefined) return; // it is gone
    socket.on('error', () => undefined); // until the WebSocket hears of it
    const metadata = handshakeMetadata(request, connection, spec);
    const { path } = (metadata['HTTP'] as unknown as HttpMetadata).url;
    if (spec.path !== undefined && spec.path !== path) {
      answer(socket, 404, `expected the path ${spec.path}`);
      return;
    }
    const fault = handshakeFault(request.method, request.headers);
    if (fault) {
      answer(socket, fault.status, `expected ${fault.expected}`, fault.headers);
      return;
    }
    const stream = new HandshakeStream(socket, (done) => {
      this.metadata.set(request, metadata);
      const gate = new FrameGate(socket, spec.max_message_bytes);
      this.upgrader.handleUpgrade(request, socket, head, (websocket) => {
        const { ping_interval: pingInterval, max_message_bytes: maxMessageBytes } = spec;
        done(new WebSocketStream(websocket, socket, { side: 'server', pingInterval, maxMessageBytes, gate }));
      });
    });
    const name = `${sessionName('WS', connection.ends)}-${this.counter++}`;
    accept({ name, metadata, stream, traceOf: traceOfRequest });
  }
}

function handshakeMetadata(
  { method = 'GET', httpVersion: version, url = '/', headers }: IncomingMessage,
  { ends, metadata }: Connection,
  spec: WebSocketListener,
): Metadata {
  const fields = Object.entries(headers).map(([name, value = '']) => [
    name,
    Array.isArray(value) ? value.join(', ') : value,
  ]);
  const parts = urlParts(url, headers.host, spec.tls ? 'wss' : 'ws');
  const http = new Http(method, version, parts, Object.fromEntries(fields) as Record<string, string>);
  return {
    ...endsMetadata('TCP', ends),
    ...metadata,
    HTTP: http as unknown as Metadata,
    WebSocket: offerSubprotocols(subprotocolsOf(headers['sec-websocket-protocol']) ?? [], spec.subprotocols),
  };
}
