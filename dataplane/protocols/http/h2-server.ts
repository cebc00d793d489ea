/** HTTP/2, server side (RFC 9113), by Node.js's own implementation: a session for each stream. */
import {
  constants,
  performServerHandshake,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import { BaseStream } from '../../core/base-stream.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { Accept } from '../../core/session.ts';
import { answerOf } from '../../core/answer.ts';
import { isGrpc, parseGrpcStatus } from '../../core/grpc-status.ts';
import type { HeaderList, Signal, Stream } from '../../core/stream.ts';
import { sessionName } from '../../sockets/addresses.ts';
import { traceOfRequest } from '../../sockets/http-metadata.ts';
import { type Fields, responseFields, trailerFields } from './codec.ts';
import { LINGER, type ServerOptions } from './h1-server.ts';
import { fromList } from './h2-headers.ts';
import { type ConnectionFacts, requestMetadata } from './request.ts';

/** Streams of one connection at once. */
const MAX_STREAMS = 1000;

/** Serves one connection. The session given closes by itself when it has been idle. */
export function serveHttp2(
  socket: Socket,
  facts: ConnectionFacts,
  { maxHeaderBytes, keepAliveTimeout }: ServerOptions,
  accept: Accept,
  nextNumber: () => number,
): ServerHttp2Session {
  socket.allowHalfOpen = false; // a connection of HTTP/2 has no half
  const session = performServerHandshake(socket, {
    settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: maxHeaderBytes },
  });
  session.on('error', () => undefined); // `close` follows, and each stream hears of it
  if (keepAliveTimeout > 0) session.setTimeout(keepAliveTimeout, () => session.close());
  const prefix = sessionName('HTTP', facts.ends);
  session.on('stream', (stream, headers, flags, raw: HeaderList = []) => {
    // Of a client that has not acknowledged the setting yet: nghttp2 resets streams of those that have.
    if (listSize(raw) > maxHeaderBytes) {
      stream.respond({ ':status': 431 }, { endStream: true });
      stream.once('finish', () => dropRequest(stream));
      return;
    }
    const empty = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    const { names, keys, values } = requestFields(raw, headers[':authority'], !empty);
    const method = String(headers[':method']);
    const target = headers[':path'] ?? headers[':authority'] ?? '';
    const metadata = requestMetadata({ names, keys, values, method, target }, '2', facts);
    accept({
      name: `${prefix}-${nextNumber()}`,
      metadata,
      stream: new ServerStream(stream, headers, empty),
      isKept: true,
      traceOf: traceOfRequest,
    });
  });
  return session;
}

/**
 * A request that is still coming when it is answered is of no more use: it is dropped, and stopped where it goes on
 * (RFC 9113, section 8.1). Stopped at once, it could overtake the end of the response.
 */
function dropRequest(stream: ServerHttp2Stream): void {
  stream.resume();
  const timer = setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), LINGER).unref();
  stream.once('close', () => clearTimeout(timer));
}

/** As SETTINGS_MAX_HEADER_LIST_SIZE counts (RFC 9113, section 6.5.2), for fields of Latin-1. */
function listSize(raw: HeaderList): number {
  return raw.reduce((size, text) => size + text.length, (raw.length / 2) * 32);
}

/** The fields without the pseudo ones; `:authority` stands for Host. Names are in lower case (RFC 9113, section 8.2.1). */
function requestFields(raw: HeaderList, authority: string | undefined, hasBody: boolean): Fields {
  const names: string[] = [];
  const values: string[] = [];
  if (authority !== undefined) {
    names.push('host');
    values.push(authority);
  }
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? '';
    if (name.startsWith(':') || (name === 'host' && authority !== undefined)) continue;
    names.push(name);
    values.push(raw[index + 1] ?? '');
  }
  // A body whose length isn't said ends with the stream: in HTTP/1.1's words it is chunked.
  if (hasBody && !names.includes('content-length')) {
    names.push('transfer-encoding');
    values.push('chunked');
  }
  return { names, keys: names, values };
}

class ServerStream extends BaseStream implements Stream {
  readonly framing = 'bytes';
  readonly reliable = true;
  readonly halfClose = true;
  readonly isHttpRequest = true;
  httpStatus: number | undefined;
  grpcStatus: number | undefined;
  /** The answer is of gRPC: its status comes with the trailers. */
  private isGrpc = false;
  private readonly stream: ServerHttp2Stream;
  private readonly request: IncomingHttpHeaders;
  /** The request's head was its end. */
  private readonly empty: boolean;
  /** Bytes that its announced length still has room for. */
  private left = Infinity;
  private trailers: HeaderList = [];
  private failure: ProxyError | undefined;

  constructor(stream: ServerHttp2Stream, request: IncomingHttpHeaders, empty: boolean) {
    super();
    this.stream = stream;
    this.request = request;
    this.empty = empty;
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

  flow(): string {
    return 'HTTP/2';
  }

  protected start(): void {
    const { stream, sink } = this;
    stream.on('drain', () => {
      if (!this.closed) sink.drain();
    });
    if (this.empty) {
      sink.end();
      return;
    }
    stream.on('trailers', (_headers, _flags, raw: HeaderList = []) => {
      if (!this.closed) sink.signal({ type: 'trailers', headers: raw });
    });
    stream.on('data', (chunk: Buffer) => {
      if (!this.closed) sink.data(chunk, false);
    });
    stream.on('end', () => {
      if (!this.closed) sink.end();
    });
  }

  connected(responds: boolean): void {
    if (responds || this.closed || this.stream.closed) return;
    if (this.request[':method'] === 'CONNECT') this.respond(200, []);
    else if (this.request.expect?.toLowerCase() === '100-continue') this.stream.additionalHeaders({ ':status': 100 });
  }

  /** No head of a response is out yet. */
  get unanswered(): boolean {
    return !this.stream.headersSent && !this.stream.closed;
  }

  signal(signal: Signal): void {
    if (this.closed || this.stream.closed) return;
    if (signal.type === 'trailers') {
      this.trailers = signal.headers;
      if (this.isGrpc) this.grpcStatus = grpcStatusOf(fromList(signal.headers));
    } else if (signal.status < 200) {
      if (signal.status !== 101 && !this.stream.headersSent)
        this.stream.additionalHeaders({ ':status': signal.status, ...fromList(signal.headers) });
    } else this.respond(signal.status, responseFields(signal), signal.isLast === true && signal.altered !== true);
  }

  /** Sends a head, unless one is out. False: no body may follow (HEAD, 204, 304), or no more of it. */
  private respond(status: number, headers: HeaderList, isLast = false): boolean {
    const { stream } = this;
    if (!stream.headersSent && !stream.closed) this.sendHead(status, headers, isLast);
    return !stream.closed && !stream.writableEnded;
  }

  private sendHead(status: number, headers: HeaderList, isLast: boolean): void {
    this.httpStatus = status;
    const { stream, request } = this;
    const fields = fromList(headers);
    fields[':status'] = status;
    const { 'content-length': length, trailer } = fields;
    this.isGrpc = isGrpc(fields['content-type']);
    if (this.isGrpc) this.grpcStatus = grpcStatusOf(fields); // trailers alone
    // Waiting for trailers takes a frame, and a turn. They aren't expected after a length, unless somebody speaks of them
    // (RFC 9110, section 6.5.1).
    const waitForTrailers = !isLast && (length === undefined || trailer !== undefined || request.te !== undefined);
    if (!waitForTrailers && !isLast) this.left = Number(length);
    try {
      stream.respond(fields, isLast ? { endStream: true } : { waitForTrailers });
    } catch (error) {
      this.destroy(ProxyError.from(error, 'PROTOCOL_ERROR'));
      return;
    }
    if (waitForTrailers) {
      stream.once('wantTrailers', () => {
        if (stream.closed) return;
        stream.sendTrailers(fromList(trailerFields(this.trailers))); // none: an empty frame that ends the stream
        this.stopRequest();
      });
    } else if (!this.empty) {
      stream.once('finish', () => this.stopRequest());
    }
  }

  private stopRequest(): void {
    if (this.empty || this.stream.readableEnded || this.stream.closed) return;
    dropRequest(this.stream);
    this.emitClose();
  }

  write(chunk: Buffer): boolean {
    if (this.closed || !this.respond(200, [])) return true;
    this.left -= chunk.length;
    if (this.left > 0) return this.stream.write(chunk);
    this.stream.end(chunk); // in one frame with the end
    return true;
  }

  end(): void {
    if (!this.closed && this.respond(200, [])) this.stream.end();
  }

  refuse(error: ProxyError): void {
    if (this.closed || this.stream.closed) return;
    const { status, headers, body } = answerOf(error);
    if (this.respond(status, headers, body === '')) this.stream.end(body);
    this.stream.resume();
    this.emitClose();
  }

  pause(): void {
    if (!this.closed && !this.empty) this.stream.pause();
  }

  resume(): void {
    if (!this.closed && !this.empty) this.stream.resume();
  }

  destroy(error?: ProxyError): void {
    if (this.closed) return;
    this.failure ??= error;
    // Not `close`: before its reset that ends a body whose length is known, as if it were whole. With an error, Node.js
    // resets with INTERNAL_ERROR, after what was written.
    this.stream.destroy(error ?? new ProxyError('INTERNAL', 'the stream was dropped'));
    this.emitClose(error);
  }
}

function grpcStatusOf({ 'grpc-status': status }: OutgoingHttpHeaders): number | undefined {
  return typeof status === 'string' ? parseGrpcStatus(status) : undefined;
}
