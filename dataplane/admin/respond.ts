/** Answers of the REST API, in l7mp's form: `{status, message, content?}`, and whatever helps beside it. */
import { type Fault, FaultsError, formatFault, ProxyError } from '../core/errors.ts';
import type { Response } from '../core/protocol.ts';

const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  400: 'Bad Request',
  401: 'Unauthorized',
  404: 'Not Found',
  405: 'Method Not Allowed',
  413: 'Payload Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Entity',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
};

/** A request that fails with this status. */
export class HttpError extends Error {
  readonly status: number;
  readonly content: unknown;
  readonly faults: readonly Fault[] | undefined;

  constructor(status: number, content: unknown, faults?: readonly Fault[]) {
    super(typeof content === 'string' ? content : REASONS[status]);
    this.status = status;
    this.content = content;
    this.faults = faults;
  }

  /** In strict mode 422 with each fault in the form of l7mp's validator; else 400 with all in the text. */
  static ofFaults(faults: readonly Fault[], strict: boolean): HttpError {
    if (!strict) return new HttpError(400, faults.map(formatFault).join('; '), faults);
    const content = faults.map(({ path, expected, found }) => ({
      keyword: expected.startsWith('no such field') ? 'additionalProperties' : 'type',
      dataPath: `.${path}`,
      message: `expected ${expected}, found ${found}`,
    }));
    return new HttpError(422, content, faults);
  }

  static from(error: unknown): HttpError {
    if (error instanceof HttpError) return error;
    if (error instanceof FaultsError) return HttpError.ofFaults(error.faults, false);
    const { code, message } = ProxyError.from(error);
    return new HttpError(code === 'UNSUPPORTED' ? 501 : code === 'DRAINED' ? 503 : 500, `${code}: ${message}`);
  }
}

export const notFound = (): HttpError => new HttpError(400, 'Not Found');

export function json(status: number, body: unknown, indent?: number): Response {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' },
    body: `${JSON.stringify(body, null, indent)}\n`,
  };
}

export function text(status: number, body: string, type = 'text/plain; charset=utf-8'): Response {
  return { status, headers: { 'content-type': type, 'cache-control': 'no-store' }, body };
}

export const ok = (): Response => json(200, { status: 200, message: 'OK' });

export function failure({ status, content, faults }: HttpError): Response {
  const reason = REASONS[status] ?? 'Error';
  const message = status === 422 ? `${reason}: the request does not fit the schema` : reason;
  const { headers, ...rest } = json(status, { status, message, content, ...(faults && { faults }) });
  return { ...rest, headers: status === 401 ? { ...headers, 'www-authenticate': 'Bearer' } : headers };
}
