/** HTTP/2, server side (RFC 9113), by Node.js's own implementation: a session for each stream. */
import {
  constants,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import { BaseStream } from '../../core/base-stream.ts';
import { ProxyError } from '../../core/errors.ts';
import type { Accept } from '../../core/session.ts';
import { refusalText, statusOf } from '../../core/status.ts';
import type { HeaderList, Signal, Stream } from '../../core/stream.ts';
import { sessionName } from '../../sockets/addresses.ts';
import type { Fields } from './codec.ts';
import type { ServerOptions } from './h1-server.ts';
import { fromList, toList } from './h2-headers.ts';
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
  const server = createServer({
    settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: maxHeaderBytes, enableConnectProtocol: true },
  });
  let session: ServerHttp2Session | undefined;
  server.on('session', (opened) => {
    session = opened;
    opened.on('error', () => undefined); // `close` follows, and each stream hears of it
    if (keepAliveTimeout > 0) opened.setTimeout(keepAliveTimeout, () => opened.close());
  });
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number, raw: string[]) => {
    const served = new ServerStream(stream, String(headers[':method']));
    const target = headers[':path'] ?? headers[':authority'] ?? '';
    const head = {
      ...requestFields(raw, headers[':authority'], (flags & constants.NGHTTP2_FLAG_END_STREAM) === 0),
      method: String(headers[':method']),
      target,
    };
    const name = `${sessionName('HTTP', facts.ends)}-${nextNumber()}`;
    accept({ name, metadata: requestMetadata(head, '2', facts), stream: served });
  });
  server.emit('connection', socket);
  if (session === undefined) throw new ProxyError('INTERNAL', 'HTTP/2 made no session of a connection');
  return session;
}

/** The fields without the pseudo ones; `:authority` stands for Host. */
function requestFields(raw: readonly string[], authority: string | string[] | undefined, hasBody: boolean): Fields {
  const fields: Fields = { names: [], keys: [], values: [] };
  const add = (name: string, value: string): void => {
    fields.names.push(name);
    fields.keys.push(name.toLowerCase());
    fields.values.push(value);
  };
  if (typeof authority === 'string') add('host', authority);
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? '';
    if (!name.startsWith(':') && !(name === 'host' && authority !== undefined)) add(name, raw[index + 1] ?? '');
  }
  // A body whose length isn't said ends with the stream: in HTTP/1.1's words it is chunked.
  if (hasBody && !fields.keys.includes('content-length')) add('transfer-encoding', 'chunked');
  return fields;
}

class ServerStream extends BaseStream implements Stream {
  readonly framing = 'bytes';
  readonly reliable = true;
  readonly halfClose = true;
  private readonly stream: ServerHttp2Stream;
  private readonly method: string;
  private trailers: HeaderList = [];
  private failure: ProxyError | undefined;

  constructor(stream: ServerHttp2Stream, method: string) {
    super();
    this.stream = stream;
    this.method = method;
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
    stream.on('trailers', (_headers, _flags, raw?: string[]) => {
      if (!this.closed) sink.signal({ type: 'trailers', headers: raw ?? [] });
    });
    stream.on('data', (chunk: Buffer) => sink.data(chunk, false));
    stream.on('end', () => sink.end());
    stream.on('drain', () => sink.drain());
  }

  connected(responds: boolean): void {
    if (!responds && this.method === 'CONNECT') this.respond(200, []);
  }

  signal(signal: Signal): void {
    if (this.closed || this.stream.destroyed) return;
    if (signal.type === 'trailers') this.trailers = signal.headers;
    else if (signal.status < 200) {
      if (signal.status !== 101)
        this.stream.additionalHeaders({ ':status': signal.status, ...fromList(signal.headers) });
    } else this.respond(signal.status, signal.headers);
  }

  private respond(status: number, headers: HeaderList): void {
    const { stream } = this;
    if (stream.headersSent || stream.destroyed) return;
    stream.respond({ ':status': status, ...fromList(headers) }, { waitForTrailers: true });
    stream.once('wantTrailers', () => {
      stream.sendTrailers(fromList(this.trailers)); // none: an empty frame that ends the stream
    });
  }

  write(chunk: Buffer): boolean {
    if (this.closed || this.stream.destroyed || this.stream.writableEnded) return true;
    this.respond(200, []);
    return this.stream.write(chunk);
  }

  end(): void {
    if (this.closed || this.stream.destroyed) return;
    this.respond(200, []);
    this.stream.end();
  }

  refuse(error: ProxyError): void {
    this.respond(statusOf(error), toList({ 'content-type': 'text/plain; charset=utf-8' }));
    this.stream.resume();
    this.stream.end(`${refusalText(error)}\n`);
  }

  pause(): void {
    this.stream.pause();
  }

  resume(): void {
    this.stream.resume();
  }

  destroy(error?: ProxyError): void {
    if (this.closed) return;
    this.failure ??= error;
    const code = error ? constants.NGHTTP2_INTERNAL_ERROR : constants.NGHTTP2_CANCEL;
    if (!this.stream.destroyed) this.stream.close(code);
    this.emitClose(error);
  }
}
