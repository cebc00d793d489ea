/**
 * HTTP/1.1, server side: one connection, its requests one after the other, each a session.
 *
 * ```
 *   head ──▶ body ──▶ (response not done: what comes is kept) ──▶ head …
 *     └──▶ tunnel (101, or 2xx to CONNECT): bytes both ways until both have ended
 * ```
 */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { ProxyError } from '../../../common/errors.ts';
import type { ListenerContext } from '../../core/protocol.ts';
import { reasonOf } from '../../core/status.ts';
import { formatAddress, sessionName } from '../../sockets/addresses.ts';
import { traceOfRequest } from '../../sockets/http-metadata.ts';
import { tlsRecordAt } from '../../sockets/tls-record.ts';
import { BodyDecoder, findHeadEnd, parseRequestHead, requestBody } from './codec.ts';
import { type AnsweredConnection, ServerStream } from './h1-server-stream.ts';
import { Outbox } from './outbox.ts';
import { type ConnectionFacts, requestMetadata } from './request.ts';

export interface ServerOptions {
  readonly maxHeaderBytes: number;
  /** ms; 0 is no limit. */
  readonly headerTimeout: number;
  /** ms; 0 is no limit. */
  readonly keepAliveTimeout: number;
}

/** Where requests go, and who hears of those that can't be one. */
export type Doors = Pick<ListenerContext<unknown>, 'accept' | 'refused'>;

/** The start of every HTTP/2 connection (RFC 9113, section 3.4). */
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

/**
 * How long a client may take to read some of the last response, to close when it has read all, and to send a last request while the
 * proxy drains, in ms.
 */
export const LINGER = 5000;

/** When a client that only waits is asked whether it is still there, and how often, in ms. */
const PROBE = 10_000;

/** Bytes of later requests that are kept while one is answered; then the client is held back. */
const MAX_PIPELINED = 64 * 1024;

export class ServerConnection implements AnsweredConnection {
  readonly outbox: Outbox;
  readonly socket: Duplex;
  private readonly facts: ConnectionFacts;
  private readonly options: ServerOptions;
  private readonly doors: Doors;
  private readonly nextNumber: () => number;
  private readonly onClose: (connection: ServerConnection) => void;
  /** Hears of a connection that begins with HTTP/2's preface; it is not HTTP/1.1's then. */
  private onPreface: (() => void) | undefined;
  /** What came and wasn't taken yet. */
  private pending: Buffer | undefined;
  private stream: ServerStream | undefined;
  private body: BodyDecoder | undefined;
  private timer: NodeJS.Timeout | undefined;
  private timerKind: 'head' | 'idle' | undefined;
  /** No more requests are taken. */
  private ended = false;
  private isRetiring = false;
  /** The client has closed its side: what it sent before is still answered. */
  private inputEnded = false;

  constructor(
    socket: Duplex,
    facts: ConnectionFacts,
    options: ServerOptions,
    doors: Doors,
    nextNumber: () => number,
    onClose: (connection: ServerConnection) => void,
    onPreface?: () => void,
  ) {
    this.socket = socket;
    this.outbox = new Outbox(socket);
    this.facts = facts;
    this.options = options;
    this.doors = doors;
    this.nextNumber = nextNumber;
    this.onClose = onClose;
    this.onPreface = onPreface;
    for (const [event, handler] of this.handlers) socket.on(event, handler);
    socket.on('error', () => undefined); // `close` follows
    this.wait('idle');
  }

  private readonly handlers: readonly (readonly [event: string, handler: (chunk: Buffer) => void])[] = [
    ['data', (chunk) => this.receive(chunk)],
    ['end', () => this.receiveEnd()],
    ['drain', () => this.stream?.drained()],
    ['close', () => this.closed()],
  ];

  /** Lets go of a connection that turns out to speak HTTP/2; what it has read goes back, unread. */
  private handOver(read: Buffer): void {
    const { socket } = this;
    clearTimeout(this.timer);
    socket.pause();
    for (const [event, handler] of this.handlers) socket.off(event, handler);
    socket.unshift(read);
    this.onClose(this);
    this.onPreface?.();
  }

  /** No request follows the one that is answered: its response says so (RFC 9112, section 9.6). */
  get isLast(): boolean {
    return this.ended || this.isRetiring;
  }

  /** Closes it once no request is being answered. */
  finish(): void {
    this.ended = true;
    if (this.stream === undefined) this.hangUp();
  }

  /** Closes it after its next response, which says so, or when no request has come for some seconds: one may be on its way. */
  retire(): void {
    this.isRetiring = true;
    if (this.ended || this.timerKind !== 'idle') return;
    this.timerKind = undefined;
    this.wait('idle');
  }

  private receive(chunk: Buffer): void {
    const buffer = this.pending ? Buffer.concat([this.pending, chunk]) : chunk;
    this.pending = undefined;
    if (this.onPreface && PREFACE.startsWith(buffer.toString('latin1', 0, PREFACE.length))) {
      if (buffer.length < PREFACE.length) {
        this.pending = buffer;
        this.wait('head');
        return;
      }
      this.handOver(buffer);
      return;
    }
    this.onPreface = undefined;
    this.process(buffer, 0);
  }

  private process(buffer: Buffer, from: number): void {
    let at = from;
    try {
      while (at < buffer.length) {
        const { stream } = this;
        if (stream?.tunnelling) {
          stream.received(at === 0 ? buffer : buffer.subarray(at));
          return;
        }
        if (this.body && !this.body.done) {
          at = this.body.push(buffer, at);
          if (this.bodyDone()) stream?.requestEnded();
          continue;
        }
        if (stream) {
          this.keep(buffer, at);
          return;
        }
        const next = this.head(buffer, at);
        if (next < 0) return;
        at = next;
      }
    } catch (error) {
      this.fail(ProxyError.from(error));
    }
  }

  /** Begins the request whose head starts at `at`. Gives where its body starts; -1: it isn't all there. */
  private head(buffer: Buffer, at: number): number {
    let start = at;
    // Empty lines in front of a request are passed over (RFC 9112, section 2.2).
    while (buffer[start] === 13 && buffer[start + 1] === 10) start += 2;
    if (start >= buffer.length) return start;
    const secure = tlsRecordAt(buffer, start);
    if (secure !== undefined) {
      const hint = 'perhaps the client wants https, and this listener has no tls';
      throw new ProxyError('PROTOCOL_ERROR', `expected an HTTP request, found ${secure}: ${hint}`);
    }
    const end = findHeadEnd(buffer, start);
    const size = (end < 0 ? buffer.length : end) - start;
    if (size > this.options.maxHeaderBytes) throw new ProxyError('TOO_LARGE', 'the head of a request');
    if (end < 0) {
      this.pending = start === 0 ? buffer : buffer.subarray(start);
      this.wait('head');
      return -1;
    }
    clearTimeout(this.timer);
    this.timerKind = undefined;
    const request = parseRequestHead(buffer, start, end);
    const body = requestBody(request);
    const metadata = requestMetadata(request, `1.${request.minor}`, this.facts);
    const stream = new ServerStream(this, request, body.kind !== 'none');
    this.stream = stream;
    this.body = new BodyDecoder(body, stream);
    const name = `${sessionName('HTTP', this.facts.ends)}-${this.nextNumber()}`;
    const isTaken = this.doors.accept({ name, metadata, stream, isKept: true, traceOf: traceOfRequest });
    if (isTaken && this.body.done && !stream.tunnel) stream.requestEnded();
    return end;
  }

  private bodyDone(): boolean {
    return this.body?.done === true;
  }

  private keep(buffer: Buffer, at: number): void {
    this.pending = at === 0 ? buffer : buffer.subarray(at);
    if (this.pending.length > MAX_PIPELINED) this.socket.pause();
  }

  private receiveEnd(): void {
    this.inputEnded = true;
    this.inputOver();
  }

  /** Nothing comes behind what is being answered, and what is kept. */
  private inputOver(): void {
    const { stream } = this;
    if (stream === undefined) {
      if (!this.ended) this.hangUp();
    } else if (stream.tunnelling || (stream.tunnel && !this.pending)) stream.requestEnded();
    else if (this.body && !this.body.done) this.fail(new ProxyError('PEER_CLOSED', 'the request was cut short'));
    // A client that has sent its request and closed its side still gets its response. One that is gone altogether has sent
    // the same, and is found out by how it answers a probe.
    else if (this.socket instanceof Socket) this.socket.setKeepAlive(true, PROBE);
  }

  /** The response is out, and the session has let go: the next request may come. */
  responded(stream: ServerStream, keep: boolean): void {
    if (this.stream !== stream) return;
    this.stream = undefined;
    if (!keep || this.ended || this.body?.done === false) {
      // What the client still sends is read and dropped, else its system would answer with a reset that takes the
      // response along (RFC 9112, section 9.6).
      this.hangUp();
      return;
    }
    if (this.socket.isPaused()) this.socket.resume();
    if (this.pending || this.inputEnded) queueMicrotask(() => this.goOn());
    else this.wait('idle');
  }

  /** Takes what was kept. */
  private goOn(): void {
    const { pending } = this;
    this.pending = undefined;
    if (pending) this.process(pending, 0);
    if (this.inputEnded) this.inputOver();
  }

  /** What the client sent too early is the tunnel's. */
  tunnelOpened(): void {
    if (this.socket.isPaused()) this.socket.resume();
    if (this.pending) queueMicrotask(() => this.goOn());
  }

  private hangUp(): void {
    this.ended = true;
    this.pending = undefined;
    this.outbox.end();
    this.socket.resume();
    this.body = new BodyDecoder({ kind: 'close' }, { bodyData() {}, bodyTrailers() {} });
    this.linger(-1);
  }

  /** Gives up on a client that neither reads what is `unsent`, nor closes its side when it has read all. */
  private linger(unsent: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const { socket } = this;
      if (socket.writableFinished || socket.writableLength === unsent) socket.destroy();
      else this.linger(socket.writableLength);
    }, LINGER).unref();
  }

  /** The request can't be understood: it is answered, and the connection is closed. */
  private fail(error: ProxyError): void {
    const { stream } = this;
    if (stream?.unanswered === false) {
      stream.broken(error);
      return;
    }
    this.stream = undefined;
    const status = error.code === 'TOO_LARGE' ? 431 : error.code === 'INTERNAL' ? 500 : 400;
    this.answer(status, `${reasonOf(status)}: ${status === 500 ? error.code : error.message}\n`);
    if (stream) stream.connectionClosed(error);
    else this.tell(error);
  }

  /** Of a request that became no session: nothing else leaves a trace of it. */
  private tell(error: ProxyError): void {
    const { srcAddress, srcPort } = this.facts.ends;
    this.doors.refused(error, formatAddress(srcAddress, srcPort));
  }

  /** An answer of the connection's own, and its end. */
  private answer(status: number, body: string): void {
    const text = Buffer.from(body);
    this.outbox.write(
      `HTTP/1.1 ${status} ${reasonOf(status)}\r\ncontent-type: text/plain; charset=utf-8\r\n` +
        `content-length: ${text.length}\r\nconnection: close\r\n\r\n`,
    );
    this.outbox.write(text);
    this.hangUp();
  }

  private wait(kind: 'head' | 'idle'): void {
    if (this.timerKind === kind) return; // a head that trickles in gets no more time
    this.timerKind = kind;
    clearTimeout(this.timer);
    const limit = kind === 'head' ? this.options.headerTimeout : this.idleLimit();
    if (limit === 0) return;
    this.timer = setTimeout(() => {
      if (kind === 'idle') {
        this.hangUp();
        return;
      }
      this.answer(408, `${reasonOf(408)}: the head did not come in time\n`);
      this.tell(new ProxyError('IDLE_TIMEOUT', `the head of a request did not come within ${limit} ms`));
    }, limit).unref();
  }

  /** 0: none. */
  private idleLimit(): number {
    const { keepAliveTimeout } = this.options;
    if (!this.isRetiring) return keepAliveTimeout;
    return keepAliveTimeout === 0 ? LINGER : Math.min(keepAliveTimeout, LINGER);
  }

  private closed(): void {
    clearTimeout(this.timer);
    this.onClose(this);
    const { stream } = this;
    this.stream = undefined;
    stream?.connectionClosed();
  }
}
