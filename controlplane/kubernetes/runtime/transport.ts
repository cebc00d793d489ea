/** One HTTP exchange with the API server: deadlines, bounds, and errors in our words. */
import { type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { KubeError } from './errors.ts';
import type { Access } from './kube-config.ts';

export interface Exchange {
  /** For errors, as in `get Service default/web`. */
  readonly what: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** It must not be made twice, though its method may be. */
  readonly once?: boolean;
}

/** Whether it may be made again where it isn't known that it was made. */
export function isIdempotent({ method, once = false }: Pick<Exchange, 'method' | 'once'>): boolean {
  return method !== 'POST' && !once;
}

/** Like TCP_KEEPIDLE: the kernel then finds within some 10 s more that nobody is there, in ms. */
const KEEP_ALIVE_MS = 15_000;
/** The largest answer that isn't a watch. */
const MAX_BODY_BYTES = 128 * 1024 * 1024;

/** The codes of a connection that ended before anything of an answer came. */
const RESETS = ['ECONNRESET', 'EPIPE'];

/**
 * Sends a request, and resolves once the head of the answer is there. The body is the caller's: to read, or to destroy.
 *
 * @throws KubeError
 */
export async function send(access: Access, exchange: Exchange, signal: AbortSignal): Promise<IncomingMessage> {
  const options = await access.requestOptions();
  for (let again = isIdempotent(exchange); ; again = false) {
    if (signal.aborted) throw unreached(exchange.what, signal.reason, signal);
    try {
      return await attempt(access, exchange, options, signal);
    } catch (error) {
      // A connection that was kept for the next request may be closed just when that comes: it says nothing of the server.
      if (again && error instanceof ReusedSocketError) continue;
      throw unreached(exchange.what, error instanceof ReusedSocketError ? error.cause : error, signal);
    }
  }
}

class ReusedSocketError extends Error {}

function attempt(
  { server }: Access,
  { method, path, query = {}, headers = {}, body }: Exchange,
  options: Awaited<ReturnType<Access['requestOptions']>>,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const url = new URL(server.pathname.replace(/\/$/u, '') + path, server);
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
  const sent = {
    accept: 'application/json',
    ...(options.headers as Record<string, string>),
    ...headers,
    ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }),
  };
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
      ...options,
      method,
      headers: sent,
      signal,
    });
    request.once('socket', (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS));
    request.once('response', resolve);
    request.on('error', (error: NodeJS.ErrnoException) => {
      const stale = request.reusedSocket && RESETS.includes(error.code ?? '');
      reject(stale ? new ReusedSocketError('', { cause: error }) : error);
    });
    request.end(body);
  });
}

/** The body: what its JSON says, or its text. @throws KubeError */
export async function readBody(what: string, answer: IncomingMessage, signal: AbortSignal): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_BODY_BYTES) {
        const found = `${what}: expected an answer of at most ${MAX_BODY_BYTES} bytes, found a longer one`;
        throw new KubeError(found, { code: 0, reason: 'TooLarge' });
      }
      chunks.push(chunk);
    }
  } catch (error) {
    throw unreached(what, error, signal);
  }
  const text = Buffer.concat(chunks).toString();
  if (!isJson(answer)) return text;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badAnswer(what, error);
  }
}

export function isJson({ headers }: IncomingMessage): boolean {
  return headers['content-type']?.includes('json') === true;
}

export function badAnswer(what: string, error: unknown): KubeError {
  const message = `${what}: expected JSON, found something else: ${(error as Error).message}`;
  return new KubeError(message, { code: 0, reason: 'BadAnswer' }, error);
}

/** Why there is no answer: the signal's reason where it aborted. */
export function unreached(what: string, error: unknown, signal: AbortSignal): KubeError {
  if (error instanceof KubeError) return error;
  if (signal.aborted) {
    const reason: unknown = signal.reason;
    if (reason instanceof KubeError) return new KubeError(`${what}: ${reason.message}`, reason);
    return new KubeError(`${what}: it was given up`, { code: 0, reason: 'Aborted' });
  }
  const { message, code } = error as NodeJS.ErrnoException;
  return new KubeError(`${what}: ${message || (code ?? 'no answer')}`, { code: 0, reason: 'Unreachable' }, error);
}

/** A deadline that can be moved, and that ends early with any of `outer`. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #outer: readonly AbortSignal[];
  #timer: NodeJS.Timeout | undefined;

  constructor(outer: readonly AbortSignal[], ms: number, missing: string) {
    this.#outer = outer;
    // Not AbortSignal.any: an outer signal that lives long would hold each of them for long.
    for (const signal of outer) signal.addEventListener('abort', this.#abort, { once: true });
    if (outer.some(({ aborted }) => aborted)) this.#abort();
    else this.move(ms, missing);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** From now on. `missing`: what did not come until then. */
  move(ms: number, missing: string): void {
    clearTimeout(this.#timer);
    const late = (): void => {
      const message = `expected ${missing} within ${Math.round(ms)} ms, found none`;
      this.#controller.abort(new KubeError(message, { code: 0, reason: 'Timeout' }));
    };
    this.#timer = setTimeout(late, ms);
  }

  /** It is not waited for any more. */
  clear(): void {
    clearTimeout(this.#timer);
    for (const signal of this.#outer) signal.removeEventListener('abort', this.#abort);
  }

  readonly #abort = (): void => this.#controller.abort();
}
