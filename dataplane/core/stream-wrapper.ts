/** A stream in front of another: everything of it is that of the inner one, unless a subclass says otherwise. */
import type { Socket } from 'node:net';
import type { ProxyError } from '../../common/errors.ts';
import type { Flow } from './offload.ts';
import type { EndReason, Frames, Framing, Signal, Sink, Stream } from './stream.ts';

/** Every member of Stream, those that a stream may lack included: a new one has to be forwarded, or this doesn't compile. */
type Whole = { readonly [Member in keyof Required<Stream>]: Stream[Member] };

export abstract class StreamWrapper implements Whole {
  /** May be another one later. */
  protected inner: Stream;

  constructor(inner: Stream) {
    this.inner = inner;
  }

  get framing(): Framing {
    return this.inner.framing;
  }

  get reliable(): boolean {
    return this.inner.reliable;
  }

  get halfClose(): boolean {
    return this.inner.halfClose;
  }

  get maxDatagram(): number | undefined {
    return this.inner.maxDatagram;
  }

  get retriable(): boolean | undefined {
    return this.inner.retriable;
  }

  get altered(): boolean | undefined {
    return this.inner.altered;
  }

  get isHttpRequest(): boolean | undefined {
    return this.inner.isHttpRequest;
  }

  get httpStatus(): number | undefined {
    return this.inner.httpStatus;
  }

  get grpcStatus(): number | undefined {
    return this.inner.grpcStatus;
  }

  get responds(): boolean | undefined {
    return this.inner.responds;
  }

  get unanswered(): boolean | undefined {
    return this.inner.unanswered;
  }

  /** Absent where the inner one has none: then there is nothing to tell, and the stream is destroyed as any other. */
  get refuse(): ((error: ProxyError) => void) | undefined {
    const { inner } = this;
    return inner.refuse && ((error) => inner.refuse?.(error));
  }

  /** What wraps a stream changes, adds or holds back something. */
  flow(): Flow | string {
    return `${this.framing} that are no packets of their own`;
  }

  get tcpSocket(): Socket | undefined {
    return this.inner.tcpSocket;
  }

  get frames(): Frames | undefined {
    return this.inner.frames;
  }

  adoptFraming(framing: Framing): void {
    this.inner.adoptFraming?.(framing);
  }

  open(sink: Sink): void {
    this.inner.open(sink);
  }

  write(chunk: Buffer, text: boolean): boolean {
    return this.inner.write(chunk, text);
  }

  end(reason?: EndReason): void {
    this.inner.end(reason);
  }

  signal(signal: Signal): void {
    this.inner.signal?.(signal);
  }

  pause(): void {
    this.inner.pause();
  }

  resume(): void {
    this.inner.resume();
  }

  destroy(error?: ProxyError): void {
    this.inner.destroy(error);
  }

  connected(responds: boolean): void {
    this.inner.connected?.(responds);
  }
}
