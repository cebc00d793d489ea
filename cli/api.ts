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

async function ask({ api, token }: ApiOptions, path: string): Promise<{ body: unknown; headers: Headers }> {
  const url = toUrl(api, path);
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      signal: AbortSignal.timeout(TIMEOUT),
      ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
    });
    text = await response.text();
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    // OpenSSL's words for an answer in plain text are no help, and a proxy waits for the end of the request's head.
    const plain = url.protocol === 'https:' && /wrong version number|packet length too long|timeout/u.test(cause);
    const found = plain ? 'no TLS answers there; try http://' : cause;
    throw new ApiError(`expected a proxy at ${api} (--api, L7MP_API): ${found}`);
  }
  let body: { message?: string; content?: unknown };
  try {
    body = JSON.parse(text) as typeof body;
  } catch {
    const found = `${response.status} with ${JSON.stringify(text.slice(0, 100))}`;
    throw new ApiError(`expected the REST API of a proxy at ${api} (--api, L7MP_API), found ${found}`);
  }
  if (!response.ok)
    throw new ApiError(`${url.pathname}: ${response.status} ${body.message ?? ''}: ${String(body.content)}`);
  return { body, headers: response.headers };
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
  readonly rulelist?: string;
  readonly rule?: string;
  readonly route?: string;
  readonly retries: number;
  readonly started_at: number;
  readonly ended_at?: number;
  readonly reason?: string;
  readonly metadata: unknown;
}

export interface ApiStage {
  readonly origin: string;
  readonly status: string;
  readonly attempts: number;
  readonly endpoint?: { readonly name: string; readonly spec: { readonly address: string; readonly port?: number } };
}
