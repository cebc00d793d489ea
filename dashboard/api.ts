/** Calls to the server that the page is from. */
import { currentToken, isSignedOut, signIn } from './sign-in.ts';
import type { Fault } from './types.ts';

/** A call that failed: what the server says, with the faults and their lines where it has some. */
export class ApiError extends Error {
  readonly status: number;
  readonly faults: readonly Fault[];

  constructor(status: number, message: string, faults: readonly Fault[] = []) {
    super(message);
    this.status = status;
    this.faults = faults;
  }
}

/** A request, which waits where the server wants another token for it. @throws ApiError */
export async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  for (;;) {
    if (isSignedOut()) throw new ApiError(401, 'nobody is signed in');
    const token = currentToken();
    const response = await askWith(token, path, init);
    if (response.ok) return response;
    const error = await toError(response);
    if (error.status !== 401) throw error;
    // Another request may have brought a new one meanwhile.
    if (token === currentToken() && !(await signIn(error.message, token !== undefined))) throw error;
  }
}

/** With the token, and the header that pages of others can't send. @throws ApiError */
async function askWith(token: string | undefined, path: string, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set('x-l7mp-request', 'dashboard');
  if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
  try {
    return await fetch(path, { ...init, headers, redirect: 'error' });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError(0, 'the server does not answer');
  }
}

async function toError(response: Response): Promise<ApiError> {
  const text = await response.text();
  try {
    const { content, message, faults } = JSON.parse(text) as {
      readonly content?: unknown;
      readonly message?: string;
      readonly faults?: readonly Fault[];
    };
    return new ApiError(response.status, typeof content === 'string' ? content : (message ?? text), faults);
  } catch {
    return new ApiError(response.status, text);
  }
}

/** Plain JSON of a GET. */
export async function get<T>(path: string): Promise<T> {
  return (await (await ask(path)).json()) as T;
}

/** Calls a method of the control plane's configuration service. */
export async function call<T>(method: string, request: object): Promise<T> {
  return (await send('POST', `/api/v1/ConfigService/${method}`, JSON.stringify(request), 'application/json')) as T;
}

/** Sends a body; gives the answer's JSON. */
export async function send(method: string, path: string, body?: string, type = 'text/x-yaml'): Promise<unknown> {
  const init: RequestInit = body === undefined ? { method } : { method, body, headers: { 'content-type': type } };
  return await (await ask(path, init)).json();
}
