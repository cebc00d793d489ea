/** The client's end of a JSONSocket: sends the header until it is answered. */
import { ProxyError } from '../../../common/errors.ts';
import type { Stream } from '../../core/stream.ts';
import { type Answer, HeaderReader, parseResponse } from './codec.ts';
import { HeaderedStream } from './headered-stream.ts';

/** The most bytes of an answer. */
const MAX_ANSWER = 65_507;

/** Where datagrams may be lost, the header is sent again after this many ms; then after twice as many, and so on. */
const RESEND_AFTER = 100;

export class ClientStream extends HeaderedStream {
  private readonly header: Buffer;
  private timer: NodeJS.Timeout | undefined;
  private settle: ((error?: ProxyError) => void) | undefined;

  constructor(transport: Stream, header: Buffer) {
    super(transport, new HeaderReader(transport.framing, MAX_ANSWER, parseResponse));
    this.header = header;
  }

  /** Sends the header. Resolves with this stream when the answer is good; it is destroyed otherwise. Called once. */
  answered(signal: AbortSignal): Promise<this> {
    return new Promise((resolve, reject) => {
      const abort = (): void => this.settle?.(ProxyError.from(signal.reason, 'RESPONSE_TIMEOUT'));
      this.settle = (error) => {
        this.settle = undefined;
        clearTimeout(this.timer);
        signal.removeEventListener('abort', abort);
        if (error === undefined) {
          resolve(this);
          return;
        }
        this.phase = 'OVER';
        this.inner.destroy();
        reject(error);
      };
      this.begin();
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort, { once: true });
      this.send(RESEND_AFTER);
    });
  }

  private send(again: number): void {
    if (this.settle === undefined) return;
    this.inner.write(this.header, true);
    if (!this.reliable) this.timer = setTimeout(() => this.send(2 * again), again);
  }

  protected headerReceived(): void {
    this.settle?.();
  }

  protected headerRefused({ status, message }: Answer): void {
    const found = `${status} ${message}`.trimEnd();
    this.settle?.(new ProxyError('CONNECT_REFUSED', `expected JSONSocket's answer to be 2xx, found ${found}`));
  }

  protected headerMissing(error?: ProxyError): void {
    this.settle?.(error ?? new ProxyError('PEER_CLOSED', "expected JSONSocket's answer, found the end of the stream"));
  }

  protected headerRepeated(): void {
    // The header was sent again while its first answer was on the way.
  }

  protected transportClosed(): void {
    clearTimeout(this.timer);
  }
}
