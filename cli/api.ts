/** Asks the REST API of a running proxy. */
import { ApiError, UsageError } from './exit.ts';

export interface ApiOptions {
  readonly api: string;
  readonly token?: string;
  readonly json?: true;
}

/** How long an answer may take, in ms. */
const TIMEOUT = 10_000;

/** @throws ApiError that says where, and what was answered; UsageError where `api` is no address. */
export async function get<T>(options: ApiOptions, path: string): Promise<T> {
  return (await ask(options, path)).body as T;
}

/** The sessions that a query asks for, and how many there are in all. @throws as `get` does. */
export async function getSessions(
  options: ApiOptions,
  query: string,
): Promise<{ items: readonly ApiSession[]; total: number }> {
  const { body, headers } = await ask(options, `/api/v1/sessions?${query}`);
  const items = body as readonly ApiSession[];
  return { items, total: Number(headers.get('x-total-count') ?? items.length) };
}

/** Ends something by its path. @throws as `get` does. */
export async function remove(options: ApiOptions, path: string): Promise<void> {
  await ask(options, path, { method: 'DELETE' });
}

/**
 * Asks for what goes on until the proxy ends it, or `signal` is aborted: lines, some of them empty.
 *
 * @throws as `get` does.
 */
export async function* follow(
  options: ApiOptions,
  path: string,
  body: object,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const url = toUrl(options.api, path);
  const headers = { 'content-type': 'application/json' };
  const init = { method: 'POST', headers, body: JSON.stringify(body), signal };
  const response = await reach(options, url, init).catch(unreached(options, url));
  if (!response.ok || !response.body) {
    throw refusal(options, url, response, await response.text());
  }
  let rest = '';
  try {
    for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + part).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
  } catch (error) {
    if (!signal.aborted) throw new ApiError(`expected more from the proxy at ${options.api}: ${causeOf(error)}`);
  }
}

async function ask(
  options: ApiOptions,
  path: string,
  init: RequestInit = {},
): Promise<{ body: unknown; headers: Headers }> {
  const url = toUrl(options.api, path);
  const { response, text } = await (async () => {
    const answered = await reach(options, url, { ...init, signal: AbortSignal.timeout(TIMEOUT) });
    return { response: answered, text: await answered.text() };
  })().catch(unreached(options, url));
  const body = response.ok ? parse(text) : undefined;
  if (body === undefined) throw refusal(options, url, response, text);
  return { body, headers: response.headers };
}

function reach({ token }: ApiOptions, url: URL, init: RequestInit): Promise<Response> {
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return fetch(url, {
    ...init,
    headers: { ...(init.headers as Record<string, string> | undefined), ...authorization },
  });
}

/** Nothing that answers. */
function unreached({ api }: ApiOptions, { protocol }: URL): (error: unknown) => never {
  return (error) => {
    const cause = causeOf(error);
    // OpenSSL's words for an answer in plain text are no help, and a proxy waits for the end of the request's head.
    const plain = protocol === 'https:' && /wrong version number|packet length too long|timeout/u.test(cause);
    const found = plain ? 'no TLS answers there; try http://' : cause;
    throw new ApiError(`expected a proxy at ${api} (--api, L7MP_API): ${found}`);
  };
}

function causeOf(error: unknown): string {
  return error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
}

/** What it said, where that is a refusal; else that it is no REST API of a proxy. */
function refusal({ api }: ApiOptions, { pathname }: URL, { status, ok }: Response, text: string): ApiError {
  const body = ok ? undefined : (parse(text) as { message?: string; content?: unknown } | undefined);
  if (body) return new ApiError(`${pathname}: ${status} ${body.message ?? ''}: ${String(body.content)}`);
  const found = `${status} with ${JSON.stringify(text.slice(0, 100))}`;
  return new ApiError(`expected the REST API of a proxy at ${api} (--api, L7MP_API), found ${found}`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** `127.0.0.1:1234` is enough, as curl's users are used to. */
function toUrl(api: string, path: string): URL {
  try {
    return new URL(path, /^https?:/iu.test(api) ? api : `http://${api}`);
  } catch {
    throw new UsageError(`--api, L7MP_API: expected an address, as in http://127.0.0.1:1234, found "${api}"`);
  }
}

/** A session as the REST API shows it. */
export interface ApiSession {
  readonly id: number;
  readonly name: string;
  readonly status: string;
  readonly source: { readonly origin: string };
  readonly destination?: ApiStage;
  readonly ingress: readonly ApiStage[];
  readonly egress: readonly ApiStage[];
  readonly events: readonly {
    readonly event: string;
    /** ISO 8601. */
    readonly timestamp: string;
    readonly message: string;
    readonly content?: unknown;
  }[];
  readonly counters: Record<
    'ingress' | 'egress',
    { readonly bytes: number; readonly packets: number; readonly dropped: number }
  >;
  readonly offload: {
    readonly state: 'kernel' | 'user';
    readonly reason?: string;
    readonly traffic?: Record<'ingress' | 'egress', { readonly packets: number; readonly bytes: number }>;
  };
  /** Bytes a second, both ways. */
  readonly rate: number;
  /** The same by direction, and packets a second. */
  readonly rates: ApiRates;
  readonly rulelist?: string;
  readonly rule?: string;
  readonly route?: string;
  readonly retries: number;
  readonly started_at: number;
  readonly ended_at?: number;
  readonly reason?: string;
  readonly metadata: unknown;
}

export type ApiRates = Record<'ingress' | 'egress', { readonly bytes: number; readonly packets: number }>;

export interface ApiStage {
  readonly origin: string;
  readonly status: string;
  readonly attempts: number;
  readonly endpoint?: { readonly name: string; readonly spec: { readonly address: string; readonly port?: number } };
}
