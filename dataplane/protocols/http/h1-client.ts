/** HTTP/1.1, client side: kept connections to one endpoint, each with one request at a time. */
import type { Duplex } from 'node:stream';
import { ProxyError } from '../../../common/errors.ts';
import type { HeaderList, Signal, Stream } from '../../core/stream.ts';
import { hasToken, IDEMPOTENT } from '../../sockets/http-fields.ts';
import { tlsRecordAt } from '../../sockets/tls-record.ts';
import {
  BodyDecoder,
  fieldOf,
  findHeadEnd,
  formatFields,
  formatLastChunk,
  parseResponseHead,
  responseBody,
} from './codec.ts';
import { Http1Stream } from './h1-stream.ts';
import { Outbox } from './outbox.ts';
import type { OutgoingRequest } from './request.ts';

/** The most bytes of a response's head. */
const MAX_HEAD = 256 * 1024;

export interface PoolOptions {
  readonly maxIdle: number;
  /** ms; 0 is never. */
  readonly idleTimeout: number;
  /** It has no connections any more, neither idle nor in use. */
  readonly onEmpty: () => void;
}

/** The idle connections of one endpoint; the one used last is used first, so that the others can expire. */
export class Pool {
  private readonly options: PoolOptions;
  private readonly idle: ClientConnection[] = [];
  /** Those in use included. */
  private connections = 0;
  private closed = false;

  constructor(options: PoolOptions) {
    this.options = options;
  }

  take(): ClientConnection | undefined {
    return this.idle.pop();
  }

  /** There is a connection more, as long as its socket lives. */
  join(socket: Duplex): void {
    this.connections++;
    socket.once('close', () => {
      if (--this.connections === 0) this.options.onEmpty();
    });
  }

  /** Keeps a connection that has no request, or closes it. */
  give(connection: ClientConnection): void {
    if (this.closed || this.idle.length >= this.options.maxIdle) connection.close();
    else {
      this.idle.push(connection);
      connection.expire(this.options.idleTimeout);
    }
  }

  remove(connection: ClientConnection): void {
    const at = this.idle.indexOf(connection);
    if (at >= 0) this.idle.splice(at, 1);
  }

  /** Keeps nothing from now on. */
  close(): void {
    this.closed = true;
    for (const connection of this.idle.splice(0)) connection.close();
  }
}

export class ClientConnection {
  readonly outbox: Outbox;
  readonly socket: Duplex;
  /** It has answered a request before: it may be closed by the server while the next is on its way. */
  reused = false;
  private readonly pool: Pool;
  private stream: ClientStream | undefined;
  private pending: Buffer | undefined;
  private body: BodyDecoder | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(socket: Duplex, pool: Pool) {
    this.socket = socket;
    this.outbox = new Outbox(socket);
    this.pool = pool;
    pool.join(socket);
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    socket.on('end', () => this.ended());
    socket.on('drain', () => this.stream?.drained());
    socket.on('error', (error) => this.failed(ProxyError.from(error, 'PEER_RESET')));
    socket.on('close', () => this.failed(new ProxyError('PEER_RESET', 'the server closed the connection')));
  }

  /** Gives the connection to a request. */
  begin(stream: ClientStream): void {
    clearTimeout(this.timer);
    this.stream = stream;
    this.body = undefined;
  }

  /** Closes it when no request has taken it for so long; 0 is never. */
  expire(timeout: number): void {
    if (timeout === 0) return;
    this.timer = setTimeout(() => {
      this.pool.remove(this);
      this.close();
    }, timeout).unref();
  }

  close(): void {
    clearTimeout(this.timer);
    this.socket.destroy();
  }

  /** The request is over: the connection goes back, if it may. */
  release(keep: boolean): void {
    this.stream = undefined;
    this.reused = true;
    if (keep && !this.pending && !this.socket.destroyed && !this.socket.readableEnded) {
      this.socket.resume();
      this.pool.give(this);
    } else {
      this.close();
    }
  }

  private receive(chunk: Buffer): void {
    const { stream } = this;
    if (stream === undefined) {
      // Bytes that answer nothing: the server has lost count.
      this.pool.remove(this);
      this.close();
      return;
    }
    let buffer = this.pending ? Buffer.concat([this.pending, chunk]) : chunk;
    this.pending = undefined;
    try {
      let at = 0;
      while (at < buffer.length && this.stream === stream) {
        if (stream.tunnelling) {
          stream.received(at === 0 ? buffer : buffer.subarray(at));
          return;
        }
        if (this.body) {
          at = this.body.push(buffer, at);
        } else {
          const secure = tlsRecordAt(buffer, at);
          if (secure !== undefined) {
            const hint = 'perhaps the endpoint wants https, and this cluster has no tls';
            throw new ProxyError('PROTOCOL_ERROR', `expected an HTTP response, found ${secure}: ${hint}`);
          }
          const end = findHeadEnd(buffer, at);
          if ((end < 0 ? buffer.length : end) - at > MAX_HEAD)
            throw new ProxyError('TOO_LARGE', `a response with a head of more than ${MAX_HEAD} bytes`);
          if (end < 0) {
            this.pending = at === 0 ? buffer : buffer.subarray(at);
            return;
          }
          this.body = stream.head(buffer, at, end);
          at = end;
        }
        if (this.body?.done) {
          if (at < buffer.length) this.pending = buffer.subarray(at);
          buffer = buffer.subarray(buffer.length);
          at = 0;
          stream.responded();
        }
      }
    } catch (error) {
      const { code, message } = ProxyError.from(error);
      // Too much of a response is the server's fault, and nothing that the client could send less of.
      this.failed(new ProxyError(code === 'TOO_LARGE' ? 'PROTOCOL_ERROR' : code, message, error));
      this.close();
    }
  }

  private ended(): void {
    const { stream, body } = this;
    if (stream?.tunnelling) {
      stream.responded();
    } else if (stream && body?.end()) {
      stream.responded();
    } else {
      this.failed(new ProxyError('PEER_RESET', 'the server closed the connection'));
      this.close();
    }
  }

  private failed(error: ProxyError): void {
    this.pool.remove(this);
    clearTimeout(this.timer);
    const { stream } = this;
    this.stream = undefined;
    stream?.failed(error);
  }
}

export interface ClientStreamOptions {
  /** ms until the response's head; 0 is no limit. */
  readonly responseTimeout: number;
  /** The endpoint has failed the request, or served it. */
  readonly report: (ok: boolean) => void;
  /** A new connection, for a request that a kept one lost. */
  readonly reconnect: () => Promise<ClientConnection>;
}

/** One request and its response. */
export class ClientStream extends Http1Stream implements Stream {
  readonly responds = true;
  private readonly request: OutgoingRequest;
  private readonly options: ClientStreamOptions;
  protected connection: ClientConnection;
  private readonly head_: string;
  /** Nothing of the body is sent, and nothing of the response has come: it can be said again. */
  private fresh = true;
  private requestDone: boolean;
  private responseDone = false;
  private keepAlive = true;
  private trailers: HeaderList = [];
  private timer: NodeJS.Timeout | undefined;

  constructor(connection: ClientConnection, request: OutgoingRequest, options: ClientStreamOptions) {
    super();
    this.connection = connection;
    this.request = request;
    this.options = options;
    this.head_ = formatHead(request);
    this.requestDone = request.body === undefined && !request.tunnel;
  }

  /** The server may have done already what it was asked for. */
  get retriable(): boolean {
    return this.fresh && IDEMPOTENT.has(this.request.method);
  }

  protected start(): void {
    const { responseTimeout } = this.options;
    if (responseTimeout > 0) {
      this.timer = setTimeout(() => {
        this.destroy(new ProxyError('RESPONSE_TIMEOUT', `no response within ${responseTimeout} ms`));
      }, responseTimeout);
    }
    this.send(this.connection);
  }

  private send(connection: ClientConnection): void {
    this.connection = connection;
    connection.begin(this);
    connection.outbox.write(this.head_);
  }

  // What the connection tells.

  /** Takes a response's head. Gives the body's decoder; undefined where a tunnel's bytes or another head follow. */
  head(buffer: Buffer, start: number, end: number): BodyDecoder | undefined {
    this.fresh = false;
    const head = parseResponseHead(buffer, start, end);
    const { status, reason, names, values } = head;
    const headers = names.flatMap((name, index) => [name, values[index] ?? '']);
    const tunnel =
      this.request.tunnel && (status === 101 || (this.request.method === 'CONNECT' && status >= 200 && status < 300));
    if (status < 200 && !tunnel) {
      if (status === 101) throw new ProxyError('PROTOCOL_ERROR', 'an upgrade that nobody asked for');
      this.sink.signal({ type: 'response', status, reason, headers });
      return undefined;
    }
    clearTimeout(this.timer);
    this.options.report(status < 500);
    const connection = fieldOf(head, 'connection');
    this.keepAlive =
      !tunnel && (head.minor === 1 ? !hasToken(connection, 'close') : hasToken(connection, 'keep-alive'));
    this.tunnelling = tunnel;
    if (this.request.tunnel && !tunnel) this.requestDone = true;
    const body = tunnel ? undefined : responseBody(head, this.request.method);
    if (body?.kind === 'close') this.keepAlive = false;
    this.sink.signal({ type: 'response', status, reason, headers, ...(tunnel && { tunnel }) });
    return body && new BodyDecoder(body, this);
  }

  responded(): void {
    if (this.closed) return;
    this.responseDone = true;
    const { connection, requestDone, tunnelling } = this;
    if (tunnelling) {
      this.sink.end();
      if (this.requestDone) this.settle();
      return;
    }
    // An answer before the whole request was sent: the rest can't be followed by another request.
    connection.release(this.keepAlive && requestDone);
    this.sink.end();
    this.emitClose();
  }

  failed(error: ProxyError): void {
    if (this.closed) return;
    if (this.fresh && this.connection.reused && this.requestDone && IDEMPOTENT.has(this.request.method)) {
      // The server closed a kept connection just when it was used: nothing is known to have been done.
      this.options.reconnect().then(
        (connection) => {
          if (this.closed) connection.close();
          else this.send(connection);
        },
        (reason: unknown) => this.finish(ProxyError.from(reason)),
      );
      return;
    }
    this.finish(error);
  }

  // What the session asks.

  write(chunk: Buffer): boolean {
    if (this.closed || this.responseDone || chunk.length === 0) return true;
    const { outbox } = this.connection;
    this.fresh = false;
    if (this.tunnelling || typeof this.request.body === 'number') return outbox.write(chunk);
    if (this.request.body === undefined) return true;
    outbox.write(`${chunk.length.toString(16)}\r\n`);
    outbox.write(chunk);
    return outbox.write('\r\n');
  }

  signal(signal: Signal): void {
    if (signal.type === 'trailers') this.trailers = signal.headers;
  }

  end(): void {
    if (this.closed) return;
    if (this.tunnelling) {
      this.requestDone = true;
      this.connection.outbox.end();
      if (this.responseDone) this.settle();
      return;
    }
    if (this.requestDone) return;
    this.requestDone = true;
    if (this.request.body === 'chunked') this.connection.outbox.write(formatLastChunk(this.trailers));
  }

  destroy(error?: ProxyError): void {
    if (this.closed) return;
    this.connection.close();
    this.finish(error);
  }

  private settle(): void {
    this.connection.release(false);
    this.finish();
  }

  private finish(error?: ProxyError): void {
    clearTimeout(this.timer);
    this.emitClose(error);
  }
}

function formatHead({ method, target, host, headers, tunnel, upgrade, trailers, body }: OutgoingRequest): string {
  let text = `${method} ${target} HTTP/1.1\r\nhost: ${host}\r\n${formatFields(headers)}`;
  if (typeof body === 'number') text += `content-length: ${body}\r\n`;
  else if (body === 'chunked' && !tunnel) text += 'transfer-encoding: chunked\r\n';
  if (upgrade !== undefined) text += formatFields(['upgrade', upgrade, 'connection', 'upgrade']);
  else if (trailers) text += 'te: trailers\r\nconnection: te\r\n';
  return `${text}\r\n`;
}
