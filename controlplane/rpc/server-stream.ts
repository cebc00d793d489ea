/** One call on an HTTP/2 stream: messages in, messages out, and its status. */
import { constants, type ServerHttp2Stream } from 'node:http2';
import type { Identity } from '../core/identity.ts';
import { type Call, type RawStream, RpcError, STATUS, type StatusCode } from '../core/rpc.ts';
import { FrameDecoder, frame } from './framing.ts';
import { trailersOf } from './metadata.ts';
import { resetSoon } from './reset.ts';

/** How long a client that doesn't read may take to the end of a call that failed, in ms. */
const LINGER_MS = 5000;

/** How long a client may go on sending after its call has ended, in ms. */
const STOP_MS = 1000;

const HEADERS = { ':status': 200, 'content-type': 'application/grpc', 'grpc-accept-encoding': 'identity' };

export interface CallFacts {
  readonly identity: Identity;
  readonly peer: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * ```
 * made ── start ──> open ── end | fail ──> ended ──> closed
 *   └────────────── end | fail ───────────────┘
 * ```
 * Nothing is read before `start`: flow control holds the client.
 */
export class ServerStream implements RawStream {
  onMessage: (bytes: Buffer) => void = () => {};
  onEnd: () => void = () => {};
  onDrain: () => void = () => {};
  onClose: () => void = () => {};
  readonly #stream: ServerHttp2Stream;
  readonly #decoder: FrameDecoder;
  readonly #report: (error: unknown) => void;
  #call: Call | undefined;
  #abort: AbortController | undefined;
  #ended = false;
  #deadline: NodeJS.Timeout | undefined;

  /** `report` hears of errors that are no status: their message is not the client's. */
  constructor(stream: ServerHttp2Stream, maxMessageBytes: number, report: (error: unknown) => void) {
    this.#stream = stream;
    this.#report = report;
    this.#decoder = new FrameDecoder(maxMessageBytes, (bytes) => {
      if (!this.#ended) this.onMessage(bytes);
    });
    stream.on('error', () => undefined); // 'close' follows
    stream.on('drain', () => {
      if (!this.#ended) this.onDrain();
    });
    stream.once('close', () => this.#close());
  }

  get call(): Call {
    if (this.#call === undefined) throw new Error('expected a call that was started');
    return this.#call;
  }

  get closed(): boolean {
    return this.#ended || this.#stream.destroyed;
  }

  get queued(): number {
    return this.#stream.writableLength;
  }

  /** Ends the call when this time has passed. */
  setDeadline(timeoutMs: number): void {
    this.#deadline = setTimeout(
      () => this.end(STATUS.DEADLINE_EXCEEDED, 'the deadline of the call has passed'),
      timeoutMs,
    ).unref();
  }

  /** Says who calls; `open` sets the handlers, then messages are read. */
  start(facts: CallFacts, open: () => void): void {
    if (this.closed) return;
    const signal = (): AbortSignal => this.#signal();
    this.#call = {
      ...facts,
      get signal() {
        return signal();
      },
    };
    try {
      open();
    } catch (error) {
      this.fail(error);
      return;
    }
    this.#stream.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#stream.once('end', () => this.#readEnd());
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  write(parts: readonly Buffer[]): boolean {
    if (this.closed || this.#stream.closed) return false;
    if (!this.#stream.headersSent) this.#stream.respond(HEADERS, { waitForTrailers: true });
    const buffers = frame(parts);
    const [only] = buffers;
    if (buffers.length === 1) return this.#stream.write(only);
    this.#stream.cork();
    for (const buffer of buffers) this.#stream.write(buffer);
    this.#stream.uncork();
    return !this.#stream.writableNeedDrain;
  }

  end(code: StatusCode, message: string, details: RpcError['details'] = []): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#deadline);
    this.#abort?.abort(new RpcError(code, message));
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    const trailers = trailersOf(code, message, details);
    if (!stream.headersSent) {
      stream.respond({ ...HEADERS, ...trailers }, { endStream: true });
      this.#stopClient();
      return;
    }
    stream.once('wantTrailers', () => {
      stream.sendTrailers(trailers);
      this.#stopClient();
    });
    stream.end();
    // Only what failed is cut short: an answer that succeeded is the client's to read, at its pace.
    if (code !== STATUS.OK && stream.writableLength > 0) {
      const linger = setTimeout(() => resetSoon(stream, constants.NGHTTP2_CANCEL), LINGER_MS).unref();
      stream.once('close', () => clearTimeout(linger));
    }
  }

  /** Ends the call with the status of what was thrown. */
  fail(error: unknown): void {
    if (error instanceof RpcError) {
      this.end(error.code, error.message, error.details);
      return;
    }
    if (!this.#ended) this.#report(error);
    this.end(STATUS.INTERNAL, 'internal error: the log of the server has it');
  }

  #read(chunk: Buffer): void {
    if (this.#ended) return;
    try {
      this.#decoder.push(chunk);
    } catch (error) {
      this.fail(error);
    }
  }

  #readEnd(): void {
    if (this.#ended || this.#stream.aborted) return;
    if (this.#decoder.pending > 0) {
      this.end(STATUS.INVALID_ARGUMENT, 'expected a whole message, found the end of the stream in it');
      return;
    }
    try {
      this.onEnd();
    } catch (error) {
      this.fail(error);
    }
  }

  /**
   * What a client still sends is passed over. If it doesn't end by itself it is told to stop, without an error
   * (RFC 9113, section 8.1); not at once, as some clients (curl 7) then lose the answer.
   */
  #stopClient(): void {
    const stream = this.#stream;
    stream.resume();
    const stop = setTimeout(() => resetSoon(stream, constants.NGHTTP2_NO_ERROR), STOP_MS).unref();
    stream.once('close', () => clearTimeout(stop));
  }

  #signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.closed) this.#abort.abort(new RpcError(STATUS.CANCELLED, 'the call is over'));
    }
    return this.#abort.signal;
  }

  #close(): void {
    this.#ended = true;
    clearTimeout(this.#deadline);
    this.#abort?.abort(new RpcError(STATUS.CANCELLED, 'the client is gone'));
    this.onClose();
  }
}
