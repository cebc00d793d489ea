/** A plugin's stream: what it throws, and what it says that no stream says, ends it with an error; and it always ends. */
import type { ProxyError } from '../../common/errors.ts';
import type { EndReason, Framing, Signal, Sink, Stream } from '../core/stream.ts';
import { StreamWrapper } from '../core/stream-wrapper.ts';

/** Whose streams they are. */
export interface StreamGuard {
  /** What was thrown at `place`, as an error that names the plugin. */
  report(place: string, cause: unknown): ProxyError;
  opened(stream: GuardedStream): void;
  closed(stream: GuardedStream): void;
}

/** Once it has failed, or was destroyed, nothing more is heard of the plugin's. */
export class GuardedStream extends StreamWrapper {
  private readonly guard: StreamGuard;
  private sink: Sink | undefined;
  /** No more calls of the plugin's. */
  private over = false;
  private closed = false;
  private error: ProxyError | undefined;

  constructor(inner: Stream, guard: StreamGuard) {
    super(inner);
    this.guard = guard;
  }

  override get framing(): Framing {
    return this.read('framing', () => super.framing) ?? 'bytes';
  }

  override get reliable(): boolean {
    return this.read('reliable', () => super.reliable) ?? true;
  }

  override get halfClose(): boolean {
    return this.read('halfClose', () => super.halfClose) ?? true;
  }

  override get maxDatagram(): number | undefined {
    return this.read('maxDatagram', () => super.maxDatagram);
  }

  override get retriable(): boolean | undefined {
    return this.read('retriable', () => super.retriable);
  }

  override get isHttpRequest(): boolean | undefined {
    return this.read('isHttpRequest', () => super.isHttpRequest);
  }

  override get httpStatus(): number | undefined {
    return this.read('httpStatus', () => super.httpStatus);
  }

  override get grpcStatus(): number | undefined {
    return this.read('grpcStatus', () => super.grpcStatus);
  }

  override get responds(): boolean | undefined {
    return this.read('responds', () => super.responds);
  }

  override get unanswered(): boolean | undefined {
    return this.read('unanswered', () => super.unanswered);
  }

  override get refuse(): ((error: ProxyError) => void) | undefined {
    const { inner } = this;
    const refuses = this.read('refuse', () => inner.refuse !== undefined);
    return refuses ? (error) => this.call('refuse', () => inner.refuse?.(error)) : undefined;
  }

  override adoptFraming(framing: Framing): void {
    this.call('adoptFraming', () => this.inner.adoptFraming?.(framing));
  }

  override open(sink: Sink): void {
    this.sink = sink;
    this.guard.opened(this);
    if (this.over) this.closeSoon();
    else this.call('open', () => this.inner.open(new GuardedSink(this, sink)));
  }

  override write(chunk: Buffer, text: boolean): boolean {
    return this.call('write', () => this.inner.write(chunk, text)) !== false;
  }

  override end(reason?: EndReason): void {
    this.call('end', () => this.inner.end(reason));
  }

  override signal(signal: Signal): void {
    this.call('signal', () => this.inner.signal?.(signal));
  }

  override pause(): void {
    this.call('pause', () => this.inner.pause());
  }

  override resume(): void {
    this.call('resume', () => this.inner.resume());
  }

  override connected(responds: boolean): void {
    this.call('connected', () => this.inner.connected?.(responds));
  }

  /** It is closed soon after, whether the plugin says so or not. */
  override destroy(error?: ProxyError): void {
    if (this.closed) return;
    this.error ??= error;
    this.call('destroy', () => this.inner.destroy(error));
    this.over = true;
    this.closeSoon();
  }

  /** Ends it, as something was thrown at `place`. */
  fail(place: string, cause: unknown): void {
    if (this.over) return;
    this.over = true;
    const error = this.guard.report(place, cause);
    this.error ??= error;
    this.closeSoon();
    try {
      unheard(this.inner.destroy(error));
    } catch {
      // It is failing already, and is told why.
    }
  }

  /** The plugin's may still be heard. */
  get listens(): boolean {
    return !this.over;
  }

  /** Tells the session, once, that it is gone. */
  close(error?: ProxyError): void {
    if (this.closed) return;
    this.over = true;
    this.closed = true;
    this.guard.closed(this);
    this.sink?.close(this.error ?? error);
  }

  /** In a turn of its own: whoever called is in the middle of something. Before `open`, nobody is there to be told. */
  private closeSoon(): void {
    if (this.sink) queueMicrotask(() => this.close());
  }

  private call<T>(place: string, run: () => T): T | undefined {
    if (this.over) return undefined;
    try {
      const result = run();
      unheard(result, (error) => this.fail(place, error));
      return result;
    } catch (error) {
      this.fail(place, error);
      return undefined;
    }
  }

  private read<T>(place: string, get: () => T): T | undefined {
    try {
      return get();
    } catch (error) {
      this.fail(place, error);
      return undefined;
    }
  }
}

/** Hears the plugin's stream: until it has failed, and no more than a stream may say. */
class GuardedSink implements Sink {
  private readonly stream: GuardedStream;
  private readonly sink: Sink;

  constructor(stream: GuardedStream, sink: Sink) {
    this.stream = stream;
    this.sink = sink;
  }

  data(chunk: Buffer, text: boolean): void {
    this.tell('sink.data', () => {
      if (!Buffer.isBuffer(chunk)) throw new TypeError(`expected a Buffer, found ${typeof chunk}`);
      this.sink.data(chunk, text);
    });
  }

  signal(signal: Signal): void {
    this.tell('sink.signal', () => this.sink.signal(signal));
  }

  end(reason?: EndReason): void {
    this.tell('sink.end', () => this.sink.end(reason));
  }

  drain(): void {
    this.tell('sink.drain', () => this.sink.drain());
  }

  close(error?: ProxyError): void {
    this.stream.close(error);
  }

  private tell(place: string, tell: () => void): void {
    if (!this.stream.listens) return;
    try {
      tell();
    } catch (error) {
      this.stream.fail(place, error);
    }
  }
}

/** Hears of the failure of a method that turns out to be asynchronous: else it would end the process. */
function unheard(result: unknown, failed: (error: unknown) => void = () => undefined): void {
  if (typeof (result as PromiseLike<unknown> | undefined)?.then === 'function') {
    void (result as PromiseLike<unknown>).then(undefined, failed);
  }
}
