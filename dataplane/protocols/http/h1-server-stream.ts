/** HTTP/1.1, server side: one request and its response, as a stream. */
import { ProxyError } from '../../../common/errors.ts';
import { answerOf } from '../../core/answer.ts';
import { reasonOf } from '../../core/status.ts';
import type { HeaderList, Signal, Stream } from '../../core/stream.ts';
import { hasToken, isHopByHop } from '../../sockets/http-fields.ts';
import { fieldOf, formatFields, formatLastChunk, type RequestHead, responseFields, wantsTunnel } from './codec.ts';
import { type Http1Connection, Http1Stream } from './h1-stream.ts';

/** The connection that a request came on. */
export interface AnsweredConnection extends Http1Connection {
  /** It takes no request after this one. */
  readonly isLast: boolean;
  /** The response is out, and the session has let go. `keep`: another request may follow. */
  responded(stream: ServerStream, keep: boolean): void;
  /** Bytes follow, in both directions. */
  tunnelOpened(): void;
}

/** One request and its response. */
export class ServerStream extends Http1Stream implements Stream {
  readonly tunnel: boolean;
  readonly isHttpRequest = true;
  httpStatus: number | undefined;
  protected readonly connection: AnsweredConnection;
  private readonly request: RequestHead;
  private readonly hasBody: boolean;
  private readonly expectContinue: boolean;
  private keepAlive: boolean;
  /** How the response's body is written; undefined before its head is. */
  private coding: 'none' | 'length' | 'chunked' | 'close' | undefined;
  /** Bytes of an announced length that are still to be written. */
  private left = 0;
  private trailers: HeaderList = [];
  private requestDone = false;
  private responseDone = false;

  constructor(connection: AnsweredConnection, request: RequestHead, hasBody: boolean) {
    super();
    this.connection = connection;
    this.request = request;
    this.hasBody = hasBody;
    this.tunnel = wantsTunnel(request);
    const wanted = fieldOf(request, 'connection');
    this.keepAlive = request.minor === 1 ? !hasToken(wanted, 'close') : hasToken(wanted, 'keep-alive');
    this.expectContinue = hasBody && fieldOf(request, 'expect')?.toLowerCase() === '100-continue';
  }

  /** No head of a response is out yet. */
  get unanswered(): boolean {
    return this.coding === undefined && !this.responseDone;
  }

  protected start(): void {
    // The connection delivers.
  }

  // What the connection tells.

  requestEnded(): void {
    if (this.requestDone) return;
    this.requestDone = true;
    if (this.closed) return;
    this.sink.end();
    this.settle();
  }

  broken(error: ProxyError): void {
    this.connection.socket.destroy();
    this.emitClose(error);
  }

  connectionClosed(error = new ProxyError('PEER_RESET', 'the client closed the connection')): void {
    this.emitClose(this.responseDone && this.requestDone ? undefined : error);
  }

  // What the session asks.

  connected(responds: boolean): void {
    // An upstream that isn't HTTP answers nothing: a tunnel to it is open, and a waiting body is wanted.
    if (responds || this.closed) return;
    if (this.request.method === 'CONNECT') this.respond(200, 'Connection Established', []);
    else if (this.tunnel)
      this.requestEnded(); // nobody upgrades
    else if (this.expectContinue) this.connection.outbox.write('HTTP/1.1 100 Continue\r\n\r\n');
  }

  signal(signal: Signal): void {
    if (this.closed) return;
    if (signal.type === 'trailers') this.trailers = signal.headers;
    else this.respond(signal.status, signal.reason ?? reasonOf(signal.status), responseFields(signal));
  }

  write(chunk: Buffer): boolean {
    if (this.closed || this.responseDone || chunk.length === 0) return true;
    if (this.coding === undefined) this.respond(200, 'OK', []);
    const { outbox } = this.connection;
    switch (this.coding) {
      case 'chunked':
        outbox.write(`${chunk.length.toString(16)}\r\n`);
        outbox.write(chunk);
        return outbox.write('\r\n');
      case 'length': {
        // More than was announced would be read as the next response.
        const part = chunk.length > this.left ? chunk.subarray(0, this.left) : chunk;
        this.left -= part.length;
        return part.length === 0 || outbox.write(part);
      }
      case 'close':
        return outbox.write(chunk);
      default:
        return true; // a response that has no body
    }
  }

  end(): void {
    if (this.closed || this.responseDone) return;
    if (this.tunnelling) {
      this.responseDone = true;
      this.connection.outbox.end();
      this.settle();
      return;
    }
    if (this.coding === undefined) this.respond(200, 'OK', ['content-length', '0']);
    if (this.coding === 'chunked') this.connection.outbox.write(formatLastChunk(this.trailers));
    if (this.coding === 'length' && this.left > 0) {
      this.destroy(new ProxyError('PROTOCOL_ERROR', `the response ended ${this.left} bytes early`));
      return;
    }
    this.responseDone = true;
    this.settle();
  }

  refuse(error: ProxyError): void {
    if (this.closed) return;
    // The rest of the request may never come; what comes instead of a tunnel's bytes is no request.
    if (this.tunnel || (this.hasBody && !this.requestDone)) this.keepAlive = false;
    const { status, headers, body: text } = answerOf(error);
    const body = Buffer.from(text);
    this.respond(status, reasonOf(status), [...headers, 'content-length', String(body.length)]);
    this.write(body);
    this.requestDone ||= !this.hasBody;
    this.responseDone = true;
    this.finish();
  }

  destroy(error?: ProxyError): void {
    if (this.closed) return;
    // A response cut short must be seen to be: only the end of the connection says so.
    this.connection.socket.destroy();
    this.emitClose(error);
  }

  private respond(status: number, reason: string, headers: HeaderList): void {
    if (this.coding !== undefined || this.responseDone) return;
    const { outbox } = this.connection;
    const { method, minor } = this.request;
    if (status < 200 && status !== 101) {
      if (minor === 1) outbox.write(`HTTP/1.1 ${status} ${reason}\r\n${formatFields(headers)}\r\n`);
      return;
    }
    this.httpStatus = status;
    const opensTunnel = this.tunnel && (status === 101 || (method === 'CONNECT' && status < 300));
    let connection: string | undefined;
    let length: string | undefined;
    for (let index = 0; index < headers.length; index += 2) {
      const key = (headers[index] ?? '').toLowerCase();
      if (key === 'connection') connection = headers[index + 1];
      else if (key === 'content-length' && /^\d{1,15}$/u.test(headers[index + 1] ?? '')) length = headers[index + 1];
    }
    let text = `HTTP/1.1 ${status} ${reason}\r\n`;
    for (let index = 0; index + 1 < headers.length; index += 2) {
      const key = (headers[index] ?? '').toLowerCase();
      if (key === 'content-length') continue; // once, below
      if (!isHopByHop(key, connection) || (opensTunnel && (key === 'upgrade' || key === 'connection'))) {
        text += formatFields([headers[index] ?? '', headers[index + 1] ?? '']);
      }
    }
    if (opensTunnel) {
      outbox.write(`${text}\r\n`);
      this.coding = 'close';
      this.tunnelling = true;
      this.connection.tunnelOpened();
      return;
    }
    if (this.tunnel) this.requestEnded(); // there is no tunnel: the request is all there was
    if (length !== undefined && status !== 204) text += `content-length: ${length}\r\n`;
    if (method === 'HEAD' || status === 204 || status === 304) this.coding = 'none';
    else if (length !== undefined) {
      this.coding = 'length';
      this.left = Number(length);
    } else if (minor === 1) {
      this.coding = 'chunked';
      text += 'transfer-encoding: chunked\r\n';
    } else {
      this.coding = 'close';
      this.keepAlive = false;
    }
    if (this.connection.isLast) this.keepAlive = false;
    if (!this.keepAlive) text += 'connection: close\r\n';
    else if (minor === 0) text += 'connection: keep-alive\r\n';
    outbox.write(`${text}\r\n`);
  }

  /** The response is out. A request that is still coming is of no more use. */
  private settle(): void {
    if (!this.responseDone || this.closed) return;
    if (this.tunnelling) {
      if (this.requestDone) this.emitClose();
      return;
    }
    this.finish();
  }

  private finish(): void {
    this.emitClose();
    this.connection.responded(this, this.keepAlive && this.requestDone);
  }
}
