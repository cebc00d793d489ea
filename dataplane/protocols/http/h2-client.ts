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
import { ProxyError } from '../../core/errors.ts';
import type { ConnectRequest, Target } from '../../core/protocol.ts';
import type { HeaderList, Signal, Stream } from '../../core/stream.ts';
import { formatAddress } from '../../sockets/addresses.ts';
import type { ConnectionDialer } from '../../sockets/connection-dialer.ts';
import { trailerFields } from './codec.ts';
import { fromList, toList } from './h2-headers.ts';
import { outgoingRequest } from './request.ts';

export class Http2Client {
  private readonly spec: HttpCluster;
  private readonly dialer: ConnectionDialer;
  private readonly sessions = new Map<string, Promise<ClientHttp2Session>>();

  constructor(spec: HttpCluster, dialer: ConnectionDialer) {
    this.spec = spec;
    this.dialer = dialer;
  }

  /** `socket`: a connection that was made already, for the endpoint's first request. @throws ProxyError */
  async request(request: ConnectRequest, socket?: Socket): Promise<Stream> {
    const { target, metadata } = request;
    const session = await this.sessionOf(request, socket);
    const authority = formatAddress(target.hostname, target.port);
    const { method, target: path, host, headers, trailers, body } = outgoingRequest(metadata, this.spec, authority);
    const connect = method === 'CONNECT';
    if (request.signal.aborted) throw new ProxyError('CONNECT_TIMEOUT', 'the session did not wait for its connection');
    try {
      const stream = session.request(
        {
          ':method': method,
          ...(connect
            ? { ':authority': path }
            : { ':authority': host, ':scheme': this.spec.tls ? 'https' : 'http', ':path': path }),
          ...fromList(headers),
          ...(trailers && { te: 'trailers' }),
          ...(typeof body === 'number' && { 'content-length': body }),
        },
        body === undefined && !connect ? { endStream: true } : { endStream: false, waitForTrailers: true },
      );
      return new ClientStream(stream, this.spec.response_timeout, (ok) => request.report(ok));
    } catch (error) {
      throw ProxyError.from(error, 'PROTOCOL_ERROR');
    }
  }

  private async sessionOf(request: ConnectRequest, socket: Socket | undefined): Promise<ClientHttp2Session> {
    const key = keyOf(request.target);
    for (;;) {
      const existing = this.sessions.get(key);
      if (existing === undefined) break;
      // Another request began it: its failure, or its impatience, isn't this one's.
      const session = await existing.catch(() => undefined);
      if (session && !session.closed && !session.destroyed) {
        socket?.destroy();
        return session;
      }
      if (this.sessions.get(key) === existing) this.sessions.delete(key);
    }
    const opened = this.open(request, socket);
    this.sessions.set(key, opened);
    try {
      const session = await opened;
      const forget = (): void => {
        if (this.sessions.get(key) === opened) this.sessions.delete(key);
      };
      session.once('close', forget).once('goaway', forget);
      return session;
    } catch (error) {
      if (this.sessions.get(key) === opened) this.sessions.delete(key);
      throw error;
    }
  }

  private async open(request: ConnectRequest, made: Socket | undefined): Promise<ClientHttp2Session> {
    const { target, timeout } = request;
    const socket = made ?? (await this.dialer.connect(request));
    socket.allowHalfOpen = false; // a connection of HTTP/2 has no half
    const scheme = this.spec.tls ? 'https' : 'http';
    const session = connect(`${scheme}://${formatAddress(target.hostname, target.port)}`, {
      createConnection: () => socket,
    });
    session.on('error', () => undefined); // each stream hears of it
    if (this.spec.idle_timeout > 0) session.setTimeout(this.spec.idle_timeout, () => session.close());
    await new Promise<void>((resolve, reject) => {
      const fail = (): void => {
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

  close(): void {
    for (const session of this.sessions.values()) {
      session.then(
        (opened) => opened.close(),
        () => undefined,
      );
    }
    this.sessions.clear();
  }
}

function keyOf({ address, port, hostname }: Target): string {
  return `${address} ${port} ${hostname}`;
}

class ClientStream extends BaseStream implements Stream {
  readonly framing = 'bytes';
  readonly reliable = true;
  readonly halfClose = true;
  readonly responds = true;
  retriable = true;
  private readonly stream: ClientHttp2Stream;
  private readonly timeout: number;
  private readonly report: (ok: boolean) => void;
  private trailers: HeaderList = [];
  private failure: ProxyError | undefined;

  constructor(stream: ClientHttp2Stream, timeout: number, report: (ok: boolean) => void) {
    super();
    this.stream = stream;
    this.timeout = timeout;
    this.report = report;
    stream.on('error', (error) => {
      this.failure ??= ProxyError.from(error, 'PEER_RESET');
    });
    stream.on('close', () => {
      if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) {
        this.failure ??= new ProxyError('PEER_RESET', `the stream was reset with code ${stream.rstCode}`);
      }
      this.emitClose(this.failure);
    });
  }

  protected start(): void {
    const { stream, sink } = this;
    const timer =
      this.timeout > 0
        ? setTimeout(
            () => this.destroy(new ProxyError('RESPONSE_TIMEOUT', `no response within ${this.timeout} ms`)),
            this.timeout,
          )
        : undefined;
    stream.on('headers', (headers) => {
      if (!this.closed) sink.signal({ type: 'response', status: Number(headers[':status']), headers: toList(headers) });
    });
    stream.on('response', (headers) => {
      clearTimeout(timer);
      this.retriable = false;
      const status = Number(headers[':status']);
      this.report(status < 500);
      if (!this.closed) sink.signal({ type: 'response', status, headers: toList(headers) });
    });
    stream.on('trailers', (headers: IncomingHttpHeaders) => {
      if (!this.closed) sink.signal({ type: 'trailers', headers: toList(headers) });
    });
    stream.on('wantTrailers', () => {
      if (!stream.closed) stream.sendTrailers(fromList(trailerFields(this.trailers))); // none: an empty frame that ends the stream
    });
    stream.on('data', (chunk: Buffer) => {
      if (!this.closed) sink.data(chunk, false);
    });
    stream.on('end', () => {
      if (this.closed) return;
      sink.end();
      // An answer before the whole request was sent: the rest is of no more use, and a server that wants none of it may
      // have closed the stream without a word to the writer.
      if (!stream.writableFinished) stream.close(constants.NGHTTP2_CANCEL);
      this.emitClose();
    });
    stream.on('drain', () => {
      if (!this.closed) sink.drain();
    });
    stream.on('close', () => clearTimeout(timer));
  }

  signal(signal: Signal): void {
    if (signal.type === 'trailers') this.trailers = signal.headers;
  }

  write(chunk: Buffer): boolean {
    if (this.closed || this.stream.destroyed || this.stream.writableEnded) return true;
    this.retriable = false;
    return this.stream.write(chunk);
  }

  end(): void {
    if (!this.closed && !this.stream.destroyed) this.stream.end();
  }

  pause(): void {
    this.stream.pause();
  }

  resume(): void {
    this.stream.resume();
  }

  destroy(error?: ProxyError): void {
    if (this.closed) return;
    if (!this.stream.destroyed) this.stream.close(constants.NGHTTP2_CANCEL);
    this.emitClose(error);
  }
}
