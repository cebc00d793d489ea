/** A request that is answered inside the proxy: what is written is its body, what is read is the answer. */
import type { Json } from '../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../common/errors.ts';
import { isJsonObject, jsonObject } from '../../common/json.ts';
import { BaseStream } from '../core/base-stream.ts';
import type { Request, RequestHandler, Response, StreamedBody } from '../core/protocol.ts';
import type { Metadata } from '../core/session.ts';
import type { HeaderList, Stream } from '../core/stream.ts';
import { httpOf, joinTarget } from './http-metadata.ts';

/** The largest body of a request, in bytes; a larger one is answered with 413. */
export const MAX_BODY = 16 * 1024 * 1024;

/** Method, URL and headers come from the metadata; a session that isn't HTTP asks `GET /`, and is answered at once. */
export class RequestStream extends BaseStream implements Stream {
  readonly framing = 'bytes';
  readonly reliable = true;
  readonly halfClose = true;
  /** The request may have changed something: it isn't made twice. */
  readonly retriable = false;
  readonly responds = true;
  private readonly head: Omit<Request, 'body'> | undefined;
  private readonly handler: RequestHandler;
  private readonly body: Buffer[] = [];
  private length = 0;
  private answered = false;
  /** Aborts when nobody takes a streamed answer any more. */
  private readonly gone = new AbortController();
  private paused = false;
  private wake: () => void = () => undefined;

  constructor(metadata: Metadata, handler: RequestHandler) {
    super();
    this.head = readHead(metadata);
    this.handler = handler;
  }

  protected start(): void {
    if (this.head === undefined) this.end();
  }

  write(chunk: Buffer): boolean {
    if (this.closed || this.answered) return true;
    this.length += chunk.length;
    if (this.length <= MAX_BODY) {
      this.body.push(chunk);
    } else {
      this.answered = true;
      this.body.length = 0;
      this.answer(plain(413, `expected a body of at most ${MAX_BODY} bytes`));
    }
    return true;
  }

  end(): void {
    if (this.closed || this.answered) return;
    this.answered = true;
    const head = this.head ?? { method: 'GET', url: '/', headers: {} };
    this.handler({ ...head, body: Buffer.concat(this.body) }).then(
      (response) => this.answer(response),
      (error: unknown) => this.answer(plain(500, ProxyError.from(error).message)),
    );
  }

  private answer({ status, headers, body }: Response): void {
    if (this.closed) return;
    if (typeof body === 'function') {
      this.sink.signal({ type: 'response', status, headers: Object.entries(headers).flat() });
      this.stream(body).catch((error: unknown) => this.destroy(ProxyError.from(error)));
      return;
    }
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    const list: HeaderList = Object.entries({ ...headers, 'content-length': String(bytes.length) }).flat();
    this.sink.signal({ type: 'response', status, headers: list });
    if (bytes.length > 0) this.sink.data(bytes, true);
    this.sink.end();
    this.emitClose();
  }

  /** What comes next is made when there is room for it. */
  private async stream(body: StreamedBody): Promise<void> {
    for await (const text of body(this.gone.signal)) {
      if (this.closed) return;
      this.sink.data(Buffer.from(text), true);
      while (this.isHeld()) await new Promise<void>((resolve) => (this.wake = resolve));
    }
    if (this.closed) return;
    this.sink.end();
    this.emitClose();
  }

  private isHeld(): boolean {
    return this.paused && !this.closed;
  }

  /** Of an answer that is one chunk there is nothing to hold back. */
  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.wake();
  }

  destroy(error?: ProxyError): void {
    this.body.length = 0;
    this.gone.abort();
    this.wake();
    this.emitClose(error);
  }
}

function plain(status: number, message: string): Response {
  return { status, headers: { 'content-type': 'text/plain' }, body: `${message}\n` };
}

function readHead(metadata: Metadata): Omit<Request, 'body'> | undefined {
  if (!isJsonObject(metadata['HTTP'])) return undefined;
  const { method = 'GET', path = '', query = '', headers = {} } = httpOf(metadata);
  const { dst_addr: local } = jsonObject(metadata['IP']);
  return {
    method,
    // The query may be apart, together with the path, or both.
    url: joinTarget(path, path.includes('?') ? '' : query.replace(/^\?/u, '')),
    headers: readHeaders(headers),
    local: typeof local === 'string' ? local : undefined,
  };
}

function readHeaders(headers: Record<string, Json>): Record<string, string> {
  const entries = Object.entries(headers).map(([name, value]) => [
    name.toLowerCase(),
    Array.isArray(value) ? value.map(toText).join(', ') : toText(value),
  ]);
  return Object.fromEntries(entries) as Record<string, string>;
}

function toText(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
