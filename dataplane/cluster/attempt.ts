/** One attempt to connect an endpoint, while it is under way. */
import type { Opened, Opening, OpenRequest } from '../core/cluster.ts';
import { ProxyError } from '../core/errors.ts';
import type { ConnectRequest, Target } from '../core/protocol.ts';
import type { Metadata } from '../core/session.ts';
import type { Stream } from '../core/stream.ts';

/** What connectors see. The signal is made when it is asked for: a connector that answers at once needs none. */
export class Attempt implements ConnectRequest {
  readonly session: string;
  readonly metadata: Metadata;
  readonly target: Target;
  readonly timeout: number;
  private readonly outcome: (ok: boolean) => void;
  private controller: AbortController | undefined;
  /** The protocol has said how it went: that it ended in order says no more. */
  reported = false;

  constructor(request: OpenRequest, target: Target, outcome: (ok: boolean) => void) {
    this.session = request.session;
    this.metadata = request.metadata;
    this.timeout = request.timeout;
    this.target = target;
    this.outcome = outcome;
  }

  get signal(): AbortSignal {
    this.controller ??= new AbortController();
    return this.controller.signal;
  }

  report(ok: boolean): void {
    this.reported = true;
    this.outcome(ok);
  }

  abort(error: ProxyError): void {
    this.controller?.abort(error);
  }
}

/** Waits for a stream, not longer than `timeout` ms. What comes too late is destroyed. */
export function awaitStream(
  promise: Promise<Stream>,
  timeout: number,
  where: string,
  cancel: (error: ProxyError) => void,
): { readonly stream: Promise<Stream>; readonly abort: (error: ProxyError) => void } {
  let abort: (error: ProxyError) => void = () => undefined;
  const stream = new Promise<Stream>((resolve, reject) => {
    let over = false;
    const timer = setTimeout(() => {
      abort(new ProxyError('CONNECT_TIMEOUT', `connecting to ${where} took more than ${timeout} ms`));
    }, timeout);
    abort = (error) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      cancel(error);
      reject(error);
    };
    promise.then(
      (connected) => {
        if (over) {
          connected.open({ data() {}, signal() {}, end() {}, drain() {}, close() {} });
          connected.destroy();
          return;
        }
        over = true;
        clearTimeout(timer);
        resolve(connected);
      },
      (error: unknown) => abort(ProxyError.from(error, 'CONNECT_FAILED')),
    );
  });
  return { stream, abort: (error) => abort(error) };
}

/** An opening that waits for something before it starts. */
export function openAfter(ready: Promise<void>, timeout: number, open: () => Opening | Opened): Opening {
  let abort: (error: ProxyError) => void = () => undefined;
  const opened = new Promise<Opened>((resolve, reject) => {
    let over = false;
    abort = (error) => {
      over = true;
      clearTimeout(timer);
      reject(error);
    };
    const timer = setTimeout(() => abort(new ProxyError('HOST_NOT_FOUND', `no address after ${timeout} ms`)), timeout);
    void ready.then(() => {
      if (over) return;
      clearTimeout(timer);
      try {
        const result = open();
        if ('stream' in result) {
          resolve(result);
          return;
        }
        abort = (error) => result.abort(error);
        result.opened.then(resolve, reject);
      } catch (error) {
        reject(ProxyError.from(error, 'CONNECT_FAILED'));
      }
    });
  });
  return { opened, abort: (error) => abort(error) };
}
