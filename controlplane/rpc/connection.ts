/** One HTTP/2 connection of a client: whether it still answers, how old it may get, and its calls. */
import type { Http2Session } from 'node:http2';
import { STATUS } from '../core/rpc.ts';
import type { ServerStream } from './server-stream.ts';

export interface ConnectionOptions {
  /** How often the client is asked whether it is there, in ms. */
  readonly keepaliveIntervalMs: number;
  /** How long it may take to answer that, in ms. */
  readonly keepaliveTimeoutMs: number;
  /** How old a connection gets, in ms, a tenth more or less; Infinity: no matter how old. */
  readonly maxAgeMs: number;
  /** How long calls with one answer may go on when the connection is to end, in ms. */
  readonly graceMs: number;
}

/** How long what is written may take to the client after its call was ended, in ms. */
const FLUSH_MS = 1000;

export class Connection {
  readonly #session: Http2Session;
  readonly #options: ConnectionOptions;
  /** By whether it may answer for long. */
  readonly #calls = new Map<ServerStream, boolean>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #draining = false;

  constructor(session: Http2Session, options: ConnectionOptions) {
    this.#session = session;
    this.#options = options;
    session.on('error', () => undefined); // 'close' follows
    session.once('close', () => {
      for (const timer of this.#timers) clearTimeout(timer);
    });
    this.#later(options.keepaliveIntervalMs, () => this.#ask());
    if (options.maxAgeMs !== Infinity) {
      // Clients that came at once (the server was restarted) don't all come back at once.
      this.#later(options.maxAgeMs * (0.9 + Math.random() * 0.2), () => this.drain(options.graceMs));
    }
  }

  add(stream: ServerStream, longLived: boolean): void {
    this.#calls.set(stream, longLived);
    if (this.#draining && longLived) this.#endCall(stream);
  }

  remove(stream: ServerStream): void {
    this.#calls.delete(stream);
  }

  /** Takes no more calls, ends those that answer for long, gives the others time. */
  drain(graceMs: number): void {
    if (this.#draining || this.#session.destroyed) return;
    this.#draining = true;
    this.#session.close(); // GOAWAY; it ends by itself with the last call
    for (const [stream, longLived] of this.#calls) if (longLived) this.#endCall(stream);
    this.#later(graceMs, () => {
      for (const stream of this.#calls.keys()) this.#endCall(stream);
      this.#later(FLUSH_MS, () => this.#session.destroy());
    });
  }

  #endCall(stream: ServerStream): void {
    stream.end(STATUS.UNAVAILABLE, 'the server ends this connection: connect again');
  }

  /** A peer that is stopped, or cut off, keeps its connection without answering. */
  #ask(): void {
    const { keepaliveIntervalMs, keepaliveTimeoutMs } = this.#options;
    if (this.#session.destroyed) return;
    const silent = this.#later(keepaliveTimeoutMs, () => this.#session.destroy());
    this.#session.ping((error) => {
      clearTimeout(silent);
      this.#timers.delete(silent);
      if (error === null) this.#later(keepaliveIntervalMs, () => this.#ask());
    });
  }

  #later(ms: number, run: () => void): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, ms).unref();
    this.#timers.add(timer);
    return timer;
  }
}
