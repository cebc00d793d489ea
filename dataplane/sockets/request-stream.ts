/** A request that is answered inside the proxy: what is written is its body, what is read is the answer. */
import type { Json } from '../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../common/errors.ts';
import { formatAddress } from '../../common/format-address.ts';
import { isJsonObject, jsonObject } from '../../common/json.ts';
import { BaseStream } from '../core/base-stream.ts';
import type { Request, RequestHandler, Response } from '../core/protocol.ts';
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
  /** An answer that goes on. */
  private streamed: AsyncIterableIterator<string> | undefined;
  /** Goes on once the answer is read again. */
  private resumed: (() => void) | undefined;
  private isPaused = false;

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
    if (this.closed) {
      if (isStreamed(body)) void body.return?.();
      return;
    }
    if (isStreamed(body)) {
      void this.stream(status, headers, body);
      return;
    }
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    const list: HeaderList = Object.entries({ ...headers, 'content-length': String(bytes.length) }).flat();
    this.sink.signal({ type: 'response', status, headers: list });
    if (bytes.length > 0) this.sink.data(bytes, true);
    this.sink.end();
    this.emitClose();
  }

  /** Its length is not known. */
  private async stream(
    status: number,
    headers: Response['headers'],
    body: AsyncIterableIterator<string>,
  ): Promise<void> {
    this.streamed = body;
    this.sink.signal({ type: 'response', status, headers: Object.entries(headers).flat() });
    try {
      if (this.head?.method === 'HEAD') await body.return?.();
      else await this.passOn(body);
      // Whoever has gone meanwhile has ended it, too.
      if (this.closed) return;
      this.sink.end();
      this.emitClose();
    } catch (error) {
      this.emitClose(ProxyError.from(error));
    }
  }

  private async passOn(body: AsyncIterable<string>): Promise<void> {
    for await (const text of body) {
      if (this.closed) return;
      this.sink.data(Buffer.from(text), true);
      if (this.isPaused) await new Promise<void>((resolve) => (this.resumed = resolve));
    }
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    this.resumed?.();
    this.resumed = undefined;
  }

  destroy(error?: ProxyError): void {
    this.body.length = 0;
    this.resume();
    void this.streamed?.return?.();
    this.emitClose(error);
  }
}

function isStreamed(body: Response['body']): body is AsyncIterableIterator<string> {
  return typeof body === 'object' && Symbol.asyncIterator in body;
}

function plain(status: number, message: string): Response {
  return { status, headers: { 'content-type': 'text/plain' }, body: `${message}\n` };
}

function readHead(metadata: Metadata): Omit<Request, 'body'> | undefined {
  if (!isJsonObject(metadata['HTTP'])) return undefined;
  const { method = 'GET', path = '', query = '', headers = {} } = httpOf(metadata);
  const { dst_addr: local, src_addr: remote } = jsonObject(metadata['IP']);
  const { src_port: port } = jsonObject(metadata['TCP']);
  const { peer_certificate: certificate } = jsonObject(metadata['TLS']);
  return {
    method,
    // The query may be apart, together with the path, or both.
    url: joinTarget(path, path.includes('?') ? '' : query.replace(/^\?/u, '')),
    headers: readHeaders(headers),
    local: typeof local === 'string' ? local : undefined,
    remote: typeof remote === 'string' && typeof port === 'number' ? formatAddress(remote, port) : undefined,
    certificate: subjectOf(certificate),
    session: typeof metadata['name'] === 'string' ? metadata['name'] : undefined,
  };
}

/** As in `CN=joe, O=example`. */
function subjectOf(certificate: Json | undefined): string | undefined {
  const fields = Object.entries(jsonObject(jsonObject(certificate)['subject']));
  return fields.length === 0 ? undefined : fields.map(([name, value]) => `${name}=${toText(value)}`).join(', ');
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
