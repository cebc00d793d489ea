/** Asks the REST API of a running proxy. */
import { ApiError } from './exit.ts';

export interface ApiOptions {
  readonly api: string;
  readonly token?: string;
  readonly json?: true;
}

/** @throws ApiError that says where, and what was answered. */
export async function get<T>({ api, token }: ApiOptions, path: string): Promise<T> {
  const url = new URL(path, api);
  let response: Response;
  try {
    response = await fetch(url, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw new ApiError(`expected a proxy at ${api} (--api, L7MP_API): ${cause}`);
  }
  const body = (await response.json()) as T & { message?: string; content?: unknown };
  if (!response.ok)
    throw new ApiError(`${url.pathname}: ${response.status} ${body.message ?? ''}: ${String(body.content)}`);
  return body;
}

/** A session as the REST API shows it. */
export interface ApiSession {
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
