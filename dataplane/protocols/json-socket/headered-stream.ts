/**
 * A transport's stream that begins with a header:
 *
 * ```
 *   HEADER ──header came──▶ PAYLOAD ──▶ closed      what comes in goes to the sink as it is
 *      └────refused───────▶ OVER ─────▶ closed      what comes in is dropped
 * ```
 */
import type { ProxyError } from '../../../common/errors.ts';
import type { Sink, Stream } from '../../core/stream.ts';
import { StreamWrapper } from '../../core/stream-wrapper.ts';
import type { Answer, Header, HeaderReader } from './codec.ts';

export abstract class HeaderedStream extends StreamWrapper {
  protected phase: 'HEADER' | 'PAYLOAD' | 'OVER' = 'HEADER';
  private readonly reader: HeaderReader;
  /** A datagram that isn't payload: the peer's header, which it sends again where an answer was lost. */
  private repeated: Buffer | undefined;
  private sink: Sink | undefined;
  /** What came in behind the header before anyone listened; the transport is paused then. */
  private held: ((sink: Sink) => void)[] | undefined;
  /** By whoever listens. */
  private paused = false;

  constructor(transport: Stream, reader: HeaderReader) {
    super(transport);
    this.reader = reader;
  }

  protected abstract headerReceived(header: Header): void;
  /** The peer's header is none, or says no. */
  protected abstract headerRefused(refusal: Answer): void;
  /** The transport ended or closed before there was a header. */
  protected abstract headerMissing(error?: ProxyError): void;
  /** The peer sent its header again. */
  protected abstract headerRepeated(): void;
  /** The transport is gone. */
  protected abstract transportClosed(): void;

  override get altered(): boolean {
    return true;
  }

  /** What a transport responds (HTTP) is its own, and no answer to the session. */
  override get responds(): boolean {
    return false;
  }

  /** Opens the transport and waits for the header. */
  protected begin(): void {
    this.inner.open({
      data: (chunk, text) => this.receive(chunk, text),
      signal: (signal) => {
        // Before the header, nobody is there whom it could be told: the transport would be paused, and the header not come.
        if (signal.type !== 'response' && this.phase === 'PAYLOAD') this.deliver((sink) => sink.signal(signal));
      },
      end: (reason) => {
        if (this.phase === 'HEADER') this.headerMissing();
        else if (this.phase === 'PAYLOAD') this.deliver((sink) => sink.end(reason));
      },
      drain: () => this.sink?.drain(),
      close: (error) => {
        if (this.phase === 'HEADER') this.headerMissing(error);
        this.phase = 'OVER';
        this.transportClosed();
        this.deliver((sink) => sink.close(error));
      },
    });
  }

  private receive(chunk: Buffer, text: boolean): void {
    if (this.phase === 'PAYLOAD') {
      if (this.repeated?.length === chunk.length && this.repeated.equals(chunk)) this.headerRepeated();
      else if (this.sink && !this.held) this.sink.data(chunk, text);
      else this.deliver((sink) => sink.data(chunk, text));
      return;
    }
    if (this.phase === 'OVER') return;
    const received = this.reader.push(chunk);
    if (received === undefined) return;
    if (received.refusal) {
      this.headerRefused(received.refusal);
      return;
    }
    const { header, bytes, rest } = received;
    this.phase = 'PAYLOAD';
    if (!this.reliable) this.repeated = bytes;
    this.headerReceived(header);
    if (rest.length > 0) this.receive(rest, text);
  }

  private deliver(event: (sink: Sink) => void): void {
    if (this.sink && !this.held) {
      event(this.sink);
      return;
    }
    if (!this.held) {
      this.held = [];
      this.inner.pause();
    }
    if (this.reliable || this.held.length < MAX_HELD) this.held.push(event);
  }

  override open(sink: Sink): void {
    this.sink = sink;
    if (!this.held) return;
    for (const event of this.held) event(sink);
    this.held = undefined;
    if (!this.paused) this.inner.resume();
  }

  override pause(): void {
    this.paused = true;
    super.pause();
  }

  override resume(): void {
    this.paused = false;
    if (this.held === undefined) super.resume();
  }
}

/** Datagrams that are kept for the moment between the header and `open`. */
const MAX_HELD = 64;
