/** A WebSocket as Stream, either side. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { BaseStream } from '../../core/base-stream.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { Flow } from '../../core/offload.ts';
import type { EndReason, Frames, Framing, Stream } from '../../core/stream.ts';
import { isTcp, tcpFlow } from '../../core/tcp-flow.ts';
import { ABNORMAL, completeLength, isSendable, NO_STATUS, truncateReason } from './codec.ts';
import type { FrameGate } from './frames.ts';

/** `ws` compresses only where that was agreed on. */
const TEXT = { binary: false, compress: true };
const BINARY = { binary: true, compress: true };

/** How much may wait to be compressed, in bytes. */
const MAX_COMPRESSING = 64 * 1024;
/** The default of `max_message_bytes`, which is there for the proxy's memory: a lower limit is somebody's wish. */
const AMPLE = 100 * 1024 * 1024;
/** How long a peer has for its close frame when the stream is destroyed, in ms. */
const CLOSE_TIMEOUT = 1000;

export interface WebSocketStreamOptions {
  readonly side: 'server' | 'client';
  /** ms; 0 is none. */
  readonly pingInterval: number;
  readonly maxMessageBytes: number;
  /** Chunks of byte streams go out as text. */
  readonly bytesAsText?: boolean;
  /** Made before the handshake. */
  readonly gate?: FrameGate;
}

export class WebSocketStream extends BaseStream implements Stream {
  readonly framing = 'datagrams';
  readonly reliable = true;
  /**
   * A peer answers a close frame with its own, and says no more: a word for both ends at once. A client is told it when
   * its server has ended. A server is not when its client has, as its answer would be lost; unless that client was a
   * WebSocket, too, which has a reason to tell.
   */
  readonly halfClose: boolean;
  /** Its handshake was answered. */
  readonly httpStatus: number | undefined;
  private readonly socket: WebSocket;
  private readonly transport: Duplex;
  private readonly bytesAsText: boolean;
  private readonly compresses: boolean;
  /** What has to look at its frames, for people; undefined: they may be left to its ends. */
  private readonly inspected: string | undefined;
  private readonly gate: FrameGate | undefined;
  /** What is written are chunks of a byte stream: their kind is configured. */
  private fromBytes = false;
  /** The part of a character that a chunk was cut in. */
  private rest: Buffer | undefined;
  /** `end` was called. */
  private ended = false;
  /** The writer waits for `drain`, while messages are compressed. */
  private waiting = false;
  /** The peer has said anything since the last look. */
  private heard = true;
  private pinged = false;
  private paused = false;
  private pinger: NodeJS.Timeout | undefined;

  constructor(
    socket: WebSocket,
    transport: Duplex,
    { side, pingInterval, maxMessageBytes, bytesAsText = false, gate }: WebSocketStreamOptions,
  ) {
    super();
    this.socket = socket;
    this.transport = transport;
    this.halfClose = side === 'server';
    this.httpStatus = side === 'server' ? 101 : undefined;
    this.bytesAsText = bytesAsText;
    this.compresses = socket.extensions !== '';
    if (this.compresses) this.inspected = 'a WebSocket that compresses (compress)';
    else if (pingInterval > 0) this.inspected = 'a WebSocket that asks its peer (ping_interval)';
    else if (maxMessageBytes < AMPLE) this.inspected = 'a WebSocket with a limit below the default (max_message_bytes)';
    if (this.inspected === undefined && isTcp(transport)) this.gate = gate;
    // `ws` tells the peer what was wrong with a frame, and closes.
    socket.on('error', (error) => this.gone(failureOf(error)));
    socket.on('close', (code, reason) => this.onClose(code, reason));
    // What stands right behind the handshake would be told before anybody listens.
    this.pause();
    if (pingInterval > 0) {
      socket.on('pong', () => (this.heard = true));
      this.pinger = setInterval(() => this.ping(pingInterval), pingInterval).unref();
    }
  }

  flow(): Flow | string {
    if (!this.isOpen) return 'a WebSocket that is closing';
    return this.inspected ?? tcpFlow(this.transport);
  }

  get tcpSocket(): Socket | undefined {
    return isTcp(this.transport) ? this.transport : undefined;
  }

  get frames(): Frames | undefined {
    const { gate } = this;
    if (!gate) return undefined;
    const areWhole = this.isOpen && gate.isWhole;
    return { protocol: 'WebSocket', follow: () => gate.start(), areWhole, lift: () => this.lift(gate) };
  }

  private lift(gate: FrameGate): Stream {
    this.closed = true;
    return gate.lift();
  }

  private get isOpen(): boolean {
    return !this.closed && !this.ended && this.socket.readyState === this.socket.OPEN;
  }

  adoptFraming(framing: Framing): void {
    this.fromBytes = framing === 'bytes';
  }

  protected start(): void {
    const { socket, sink } = this;
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      this.heard = true;
      if (!this.closed) sink.data(data, !isBinary);
    });
    if (!this.compresses) {
      this.transport.on('drain', () => {
        if (!this.closed) sink.drain();
      });
    }
    this.resume();
  }

  write(chunk: Buffer, text: boolean): boolean {
    if (this.closed || this.socket.readyState !== this.socket.OPEN) return true;
    if (this.fromBytes && this.bytesAsText) return this.writeText(chunk);
    return this.send(chunk, text ? TEXT : BINARY);
  }

  /** Text that isn't whole characters would close the connection (RFC 6455, section 8.1). */
  private writeText(chunk: Buffer): boolean {
    const bytes = this.rest === undefined ? chunk : Buffer.concat([this.rest, chunk]);
    const length = completeLength(bytes);
    this.rest = length < bytes.length ? bytes.subarray(length) : undefined;
    return length === 0 || this.send(bytes.subarray(0, length), TEXT);
  }

  private send(message: Buffer, options: typeof TEXT): boolean {
    if (this.compresses) {
      this.socket.send(message, options, this.onSent);
      this.waiting = this.socket.bufferedAmount > MAX_COMPRESSING;
      return !this.waiting;
    }
    this.socket.send(message, options);
    return !this.transport.writableNeedDrain;
  }

  private readonly onSent = (): void => {
    if (!this.waiting || this.closed || this.socket.bufferedAmount > MAX_COMPRESSING / 2) return;
    this.waiting = false;
    this.sink.drain();
  };

  end(reason?: EndReason): void {
    if (this.closed || this.ended) return;
    this.ended = true;
    if (reason || this.halfClose) this.sendClose(reason);
  }

  private sendClose(reason?: EndReason): void {
    const { socket } = this;
    if (reason?.code === NO_STATUS) socket.close();
    else if (reason && isSendable(reason.code)) socket.close(reason.code, truncateReason(reason.message));
    else socket.close(1000);
  }

  pause(): void {
    this.paused = true;
    if (this.socket.readyState === this.socket.OPEN) this.socket.pause();
  }

  resume(): void {
    this.paused = false;
    this.heard = true; // what came meanwhile is only read now
    if (this.socket.readyState === this.socket.OPEN) this.socket.resume();
  }

  destroy(error?: ProxyError): void {
    if (this.closed) return;
    const { socket, transport } = this;
    if (this.ended) {
      // What was written before goes out in order; `ws` itself bounds how long that takes.
      this.resume();
      this.sendClose();
    } else if (transport.writableNeedDrain) {
      socket.terminate();
    } else {
      this.resume();
      socket.close(error && this.halfClose ? 1011 : 1001); // an error of the server, going away (section 7.4.1)
      setTimeout(() => socket.terminate(), CLOSE_TIMEOUT).unref();
    }
    this.gone(error);
  }

  private onClose(code: number, reason: Buffer): void {
    if (this.closed) return;
    // A peer that vanished has not ended in order; unless it had been told to.
    if (code === ABNORMAL && !this.ended) {
      this.gone(new ProxyError('PEER_RESET', 'the WebSocket was cut without a close frame'));
      return;
    }
    this.sink.end({ code: code === ABNORMAL ? NO_STATUS : code, message: reason.toString() });
    this.gone();
  }

  private gone(error?: ProxyError): void {
    clearInterval(this.pinger);
    this.emitClose(error);
  }

  /** A peer that was silent is asked; one that stays silent is gone. While nothing is read, nothing can be said of it. */
  private ping(interval: number): void {
    if (this.paused || this.heard) {
      this.heard = false;
      this.pinged = false;
    } else if (this.pinged) {
      this.socket.terminate();
      this.gone(new ProxyError('PEER_RESET', `expected a pong within ${interval} ms`));
    } else {
      this.pinged = true;
      this.socket.ping();
    }
  }
}

function failureOf(error: Error): ProxyError {
  const isTooLarge = 'code' in error && error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';
  return new ProxyError(isTooLarge ? 'TOO_LARGE' : 'PROTOCOL_ERROR', `WebSocket: ${error.message}`, error);
}
