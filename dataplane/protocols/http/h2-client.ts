/** HTTP/2, client side (RFC 9113), by Node.js's own implementation: one connection to an endpoint, shared by requests. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2';
import type { Socket } from 'node:net';
import type { HttpCluster } from '../../../gen/l7mp/config/v1/types.ts';
import { BaseStream } from '../../core/base-stream.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { ConnectRequest } from '../../core/protocol.ts';
import type { HeaderList, Signal, Stream } from '../../core/stream.ts';
import { IDEMPOTENT } from '../../sockets/http-fields.ts';
import { formatAddress } from '../../sockets/addresses.ts';
import { trailerFields } from './codec.ts';
import { fromList, regular } from './h2-headers.ts';
import type { OutgoingRequest } from './request.ts';

/** Complete: Node.js fills what is missing in for each request, which is slower than it looks. */
const NO_BODY = { endStream: true, waitForTrailers: false, parent: 0, weight: 16, exclusive: false };
const BODY = { ...NO_BODY, endStream: false, waitForTrailers: true };

export class Http2Client {
  private readonly spec: HttpCluster;
  /** Those that take requests, by endpoint. */
  private readonly sessions = new Map<string, ClientHttp2Session>();
  private closed = false;

  constructor(spec: HttpCluster) {
    this.spec = spec;
  }

  /** Asks on the connection that the endpoint has; undefined where it has none. @throws ProxyError */
  request(request: ConnectRequest, outgoing: OutgoingRequest): Stream | undefined {
    const session = this.sessionOf(request.target.connectionKey);
    return session && this.ask(session, request, outgoing);
  }

  /** Asks on a new connection, whose endpoint has chosen HTTP/2. `keep`: for others, too. @throws ProxyError */
  async start(request: ConnectRequest, outgoing: OutgoingRequest, socket: Socket, keep: boolean): Promise<Stream> {
    const { connectionKey: key } = request.target;
    const session = await this.open(request, socket);
    if (request.signal.aborted) {
      session.close();
      throw new ProxyError('CONNECT_TIMEOUT', 'the session did not wait for its connection');
    }
    const stream = this.ask(session, request, outgoing);
    if (this.closed || !keep || this.sessionOf(key)) {
      // Nobody will find this one: it serves its request. (To close it now would overtake the request.)
      stream.raw.once('close', () => session.close());
      return stream;
    }
    const forget = (): void => {
      if (this.sessions.get(key) === session) this.sessions.delete(key);
    };
    session.once('close', forget).once('goaway', forget);
    this.sessions.set(key, session);
    return stream;
  }

  private ask(session: ClientHttp2Session, request: ConnectRequest, outgoing: OutgoingRequest): ClientStream {
    const { method, target: path, host, headers, trailers, body } = outgoing;
    const connect = method === 'CONNECT';
    const fields = fromList(headers);
    fields[':method'] = method;
    fields[':authority'] = connect ? path : host;
    if (!connect) {
      fields[':scheme'] = this.spec.tls ? 'https' : 'http';
      fields[':path'] = path;
    }
    if (trailers) fields['te'] = 'trailers';
    if (typeof body === 'number') fields['content-length'] = body;
    const empty = body === undefined && !connect;
    try {
      const stream = session.request(fields, empty ? NO_BODY : BODY);
      const retriable = IDEMPOTENT.has(method);
      const timeout = this.spec.response_timeout;
      return new ClientStream(stream, { empty, retriable, timeout, connect }, (ok) => request.report(ok));
    } catch (error) {
      throw ProxyError.from(error, 'PROTOCOL_ERROR');
    }
  }

  private sessionOf(key: string): ClientHttp2Session | undefined {
    const session = this.sessions.get(key);
    return session && !session.closed && !session.destroyed ? session : undefined;
  }

  private async open({ target, timeout }: ConnectRequest, socket: Socket): Promise<ClientHttp2Session> {
    socket.allowHalfOpen = false; // a connection of HTTP/2 has no half
    const scheme = this.spec.tls ? 'https' : 'http';
    const session = connect(`${scheme}://${formatAddress(target.hostname, target.port)}`, {
      createConnection: () => socket,
    });
    session.on('error', () => undefined); // each stream hears of it
    if (this.spec.idle_timeout > 0) session.setTimeout(this.spec.idle_timeout, () => session.close());
    await new Promise<void>((resolve, reject) => {
      const fail = (): void => {
        clearTimeout(timer);
        session.destroy();
        reject(new ProxyError('PROTOCOL_ERROR', `no HTTP/2 from ${target.name} within ${timeout} ms`));
      };
      const timer = setTimeout(fail, timeout);
      session.once('remoteSettings', () => {
        clearTimeout(timer);
        session.off('close', fail);
        resolve();
      });
      session.once('close', fail);
    });
    return session;
  }

  /** Connections to other endpoints than these take no more requests, and end with their last. */
  retain(keys: ReadonlySet<string>): void {
    for (const [key, session] of this.sessions) {
      if (keys.has(key)) continue;
      this.sessions.delete(key);
      session.close();
    }
  }

  close(): void {
    this.closed = true;
    for (const session of this.sessions.values()) session.close();
  }
}

interface ClientStreamOptions {
  /** The request has no body: its head was its end. */
  readonly empty: boolean;
  readonly retriable: boolean;
  /** ms until the response's head; 0 is no limit. */
  readonly timeout: number;
  /** It asks for a tunnel. */
  readonly connect: boolean;
}

class ClientStream extends BaseStream implements Stream {
  readonly framing = 'bytes';
  readonly reliable = true;
  readonly halfClose = true;
  readonly responds = true;
  /** Not where the server may have done already what it was asked for. */
  retriable: boolean;
  readonly raw: ClientHttp2Stream;
  private answered = false;
  /** The request has no body: its head was its end. */
  private readonly empty: boolean;
  private readonly timeout: number;
  private readonly connect: boolean;
  private timer: NodeJS.Timeout | undefined;
  private readonly report: (ok: boolean) => void;
  private trailers: HeaderList = [];
  private failure: ProxyError | undefined;

  constructor(
    stream: ClientHttp2Stream,
    { empty, retriable, timeout, connect }: ClientStreamOptions,
    report: (ok: boolean) => void,
  ) {
    super();
    this.raw = stream;
    this.empty = empty;
    this.retriable = retriable;
    this.timeout = timeout;
    this.connect = connect;
    this.report = report;
    stream.on('error', (error) => {
      this.failure ??= ProxyError.from(error, 'PEER_RESET');
    });
    stream.on('close', () => {
      clearTimeout(this.timer);
      if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) {
        this.failure ??= new ProxyError('PEER_RESET', `the stream was reset with code ${stream.rstCode}`);
      }
      this.emitClose(this.failure);
    });
  }

  flow(): string {
    return 'HTTP/2';
  }

  protected start(): void {
    const { raw: stream, sink } = this;
    if (this.timeout > 0) {
      this.timer = setTimeout(() => {
        this.destroy(new ProxyError('RESPONSE_TIMEOUT', `no response within ${this.timeout} ms`));
      }, this.timeout);
    }
    stream.on('headers', (headers: IncomingHttpHeaders, _flags: number, raw: HeaderList = []) => {
      if (!this.closed) sink.signal({ type: 'response', status: Number(headers[':status']), headers: regular(raw) });
    });
    stream.on('response', (headers: IncomingHttpHeaders, flags: number, raw: HeaderList = []) => {
      clearTimeout(this.timer);
      this.answered = true;
      this.retriable = false;
      const status = Number(headers[':status']);
      this.report(status < 500);
      const tunnel = this.connect && status < 300;
      const isLast = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
      if (this.closed) return;
      sink.signal({ type: 'response', status, headers: regular(raw), isLast, ...(tunnel && { tunnel }) });
    });
    stream.on('trailers', (_headers, _flags, raw: HeaderList = []) => {
      if (!this.closed) sink.signal({ type: 'trailers', headers: raw });
    });
    stream.on('data', (chunk: Buffer) => {
      if (!this.closed) sink.data(chunk, false);
    });
    stream.on('end', () => {
      if (this.closed) return;
      // A connection that breaks ends its streams without an error.
      if (!this.answered || stream.rstCode !== constants.NGHTTP2_NO_ERROR) {
        this.destroy(new ProxyError('PEER_RESET', 'the server closed the connection'));
        return;
      }
      sink.end();
      // An answer before the whole request was sent: the rest is of no more use, and a server that wants none of it may
      // have closed the stream without a word to the writer.
      if (!stream.writableFinished) stream.close(constants.NGHTTP2_CANCEL);
      this.emitClose();
    });
    if (this.empty) return;
    stream.on('drain', () => {
      if (!this.closed) sink.drain();
    });
    stream.on('wantTrailers', () => {
      if (!stream.closed) stream.sendTrailers(fromList(trailerFields(this.trailers))); // none: an empty frame that ends the stream
    });
  }

  signal(signal: Signal): void {
    if (signal.type === 'trailers') this.trailers = signal.headers;
  }

  write(chunk: Buffer): boolean {
    if (this.closed || this.raw.destroyed || this.raw.writableEnded) return true;
    this.retriable = false;
    return this.raw.write(chunk);
  }

  end(): void {
    if (!this.closed && !this.raw.destroyed && !this.raw.writableEnded) this.raw.end();
  }

  pause(): void {
    this.raw.pause();
  }

  resume(): void {
    this.raw.resume();
  }

  destroy(error?: ProxyError): void {
    if (this.closed) return;
    if (!this.raw.destroyed) this.raw.close(constants.NGHTTP2_CANCEL);
    this.emitClose(error);
  }
}
