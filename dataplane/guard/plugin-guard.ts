/** Keeps what is wrong with a plugin to itself: whatever it throws ends a session, and names the protocol. */
import type { Logger } from '../../common/log.ts';
import { type ErrorCode, ProxyError } from '../../common/errors.ts';
import type {
  AnyProtocol,
  Connector,
  ConnectorContext,
  ConnectRequest,
  Listener,
  ListenerContext,
  Plugin,
} from '../core/protocol.ts';
import type { Incoming, Metadata } from '../core/session.ts';
import type { Stream } from '../core/stream.ts';
import { GuardedStream, type StreamGuard } from './guarded-stream.ts';

/** Under load the same mistake comes with every session: it is logged this often at most, in ms. */
const LOG_INTERVAL = 1000;

/** How long the close of a listener or connector may take, in ms: then it is left as it is. */
const CLOSE_LIMIT = 5000;

export class PluginGuard implements StreamGuard {
  /** The plugin's, with every call of it guarded. */
  readonly protocol: AnyProtocol;
  private readonly plugin: Plugin;
  private readonly log: Logger;
  private readonly streams = new Set<GuardedStream>();
  private loggedAt = -Infinity;

  constructor(plugin: Plugin, log: Logger) {
    const { protocol } = plugin;
    const { name, listener, connector } = protocol;
    this.plugin = plugin;
    this.log = log;
    this.protocol = {
      ...protocol,
      name,
      ...(listener && { listener: (context: ListenerContext<object>) => this.listener(listener, context) }),
      ...(connector && { connector: (context: ConnectorContext<object>) => this.connector(connector, context) }),
    };
  }

  /** What the plugin threw at `place`, as an error that names it; it is logged, with the stack. */
  report(place: string, cause: unknown): ProxyError {
    const error = this.describe(place, cause);
    const now = performance.now();
    if (now - this.loggedAt >= LOG_INTERVAL) {
      this.loggedAt = now;
      this.log.error({ plugin: this.plugin.url, error: error.message, stack: stackOf(cause) }, 'a plugin has failed');
    }
    return error;
  }

  opened(stream: GuardedStream): void {
    this.streams.add(stream);
  }

  closed(stream: GuardedStream): void {
    this.streams.delete(stream);
  }

  /**
   * Takes what was thrown where nobody could catch it (a handler of an event, a timer), if it comes from the plugin's
   * module. Which session it was about is not known: all that the plugin has are ended.
   */
  takes(cause: unknown): boolean {
    if (stackOf(cause)?.includes(this.plugin.url) !== true) return false;
    for (const stream of this.streams) stream.fail('a callback', cause);
    if (this.streams.size === 0) this.report('a callback', cause);
    return true;
  }

  private describe(place: string, cause: unknown, fallback?: ErrorCode): ProxyError {
    const { code, message } = toError(cause, fallback);
    return new ProxyError(code, `protocol ${this.protocol.name}: ${place}: ${message}`, cause);
  }

  private listener(make: NonNullable<AnyProtocol['listener']>, context: ListenerContext<object>): Listener {
    const accept = (incoming: Incoming): boolean => this.accept(incoming, context);
    const inner = this.attempt('listener', () => make({ ...context, accept }));
    return {
      start: async () => this.settle('start', () => inner.start()),
      close: () => this.closeOf(() => inner.close()),
      get address() {
        return value(() => inner.address, '');
      },
      get overflow() {
        return value(() => numberOf(inner.overflow), undefined);
      },
    };
  }

  private accept(incoming: Incoming, { accept }: ListenerContext<object>): boolean {
    let stream: Stream | undefined;
    try {
      stream = this.guard('accept', incoming.stream);
      const { name, metadata } = incoming;
      return accept({ name, metadata: plain(metadata), stream });
    } catch (error) {
      this.report('accept', error);
      stream?.destroy();
      return false;
    }
  }

  private connector(make: NonNullable<AnyProtocol['connector']>, context: ConnectorContext<object>): Connector {
    const inner = this.attempt('connector', () => make(context));
    return {
      connect: (request) => {
        const result = this.attempt('connect', () => inner.connect(this.guardRequest(request)), 'CONNECT_FAILED');
        if (!isThenable(result)) return this.guard('connect', result);
        return this.settle('connect', () => result, 'CONNECT_FAILED').then((stream) => this.guard('connect', stream));
      },
      get transparent() {
        return value(() => inner.transparent === true, false);
      },
      retain: (keys) =>
        value(
          () => inner.retain?.(keys),
          undefined,
          (error) => this.report('retain', error),
        ),
      get overflow() {
        return value(() => numberOf(inner.overflow), undefined);
      },
      close: () => this.closeOf(() => inner.close?.()),
    };
  }

  /** What it does when the attempt is aborted is guarded, too. */
  private guardRequest(request: ConnectRequest): ConnectRequest {
    const { session, metadata, target, timeout, trace } = request;
    return {
      session,
      metadata,
      target,
      timeout,
      trace,
      get altered() {
        return request.altered;
      },
      set altered(altered) {
        request.altered = altered;
      },
      get signal() {
        return request.signal;
      },
      onAbort: (handler) =>
        request.onAbort(
          handler &&
            ((reason) =>
              value(
                () => handler(reason),
                undefined,
                (error) => this.report('onAbort', error),
              )),
        ),
      report: (ok) => request.report(ok),
    };
  }

  private guard(place: string, stream: Stream): GuardedStream {
    if (typeof (stream as Partial<Stream> | undefined)?.open !== 'function') {
      throw this.describe(place, `expected a stream, found ${typeof stream}`);
    }
    return new GuardedStream(stream, this);
  }

  /** Whatever is still open after a close that failed, or doesn't come to its end: the change of configuration goes on. */
  private async closeOf(close: () => Promise<void> | undefined): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new ProxyError('INTERNAL', `has not ended in ${CLOSE_LIMIT} ms`)), CLOSE_LIMIT);
    });
    try {
      await Promise.race([close(), late]);
    } catch (error) {
      this.report('close', error);
    } finally {
      clearTimeout(timer);
    }
  }

  private attempt<T>(place: string, run: () => T, fallback?: ErrorCode): T {
    try {
      return run();
    } catch (error) {
      throw this.describe(place, error, fallback);
    }
  }

  private async settle<T>(place: string, run: () => Promise<T>, fallback?: ErrorCode): Promise<T> {
    try {
      return await run();
    } catch (error) {
      throw this.describe(place, error, fallback);
    }
  }
}

/** What is thrown may be anything, even what can't be made text of. */
function toError(cause: unknown, fallback?: ErrorCode): ProxyError {
  return value(() => ProxyError.from(cause, fallback), new ProxyError('INTERNAL', 'threw what is no error'));
}

function stackOf(cause: unknown): string | undefined {
  return value(() => (cause instanceof Error ? String(cause.stack) : undefined), undefined);
}

function value<T>(get: () => T, otherwise: T, failed?: (error: unknown) => void): T {
  try {
    return get();
  } catch (error) {
    failed?.(error);
    return otherwise;
  }
}

function numberOf(found: unknown): number | undefined {
  return typeof found === 'number' ? found : undefined;
}

function isThenable<T>(found: T | Promise<T>): found is Promise<T> {
  return typeof (found as Partial<Promise<T>> | undefined)?.then === 'function';
}

/** A copy that is JSON: rules, logs and pages rely on it. @throws where it can't be. */
function plain(metadata: Metadata): Metadata {
  return JSON.parse(JSON.stringify(metadata)) as Metadata;
}
