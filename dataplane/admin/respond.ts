/** Answers of the REST API, in l7mp's form: `{status, message, content?}`, and whatever helps beside it. */
import { type ErrorCode, type Fault, FaultsError, formatFault, ProxyError } from '../../common/errors.ts';
import { HttpError } from '../../common/http-error.ts';
import type { Response } from '../core/protocol.ts';
import { HIDDEN } from '../../common/secrets.ts';
import { reasonOf } from '../core/status.ts';

/** Errors that say more than "the proxy failed". */
const STATUS_OF: Readonly<Partial<Record<ErrorCode, number>>> = {
  DRAINED: 503,
  INVALID_CONFIG: 400,
  LIMIT_EXCEEDED: 503,
  TOO_LARGE: 413,
  UNSUPPORTED: 501,
};

/**
 * In strict mode 422 with each fault in the form of l7mp's validator; else all in the text, with 400, or 501 where
 * nothing is wrong but that the system lacks something.
 */
export function errorOfFaults(faults: readonly Fault[], strict: boolean): HttpError {
  if (!strict) return new HttpError(isLack(faults) ? 501 : 400, faults.map(formatFault).join('; '), { faults });
  return new HttpError(422, faults.map(toValidation), { faults });
}

export function toHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof FaultsError) return errorOfFaults(error.faults, false);
  const { code, message } = ProxyError.from(error);
  return new HttpError(STATUS_OF[code] ?? 500, `${code}: ${message}`);
}

function isLack(faults: readonly Fault[]): boolean {
  return faults.length > 0 && faults.every(({ code }) => code === 'UNSUPPORTED');
}

/** A fault in the words of the JSON schema validator whose answers l7mp's users know. */
function toValidation({ path, expected, found }: Fault): object {
  return {
    keyword: keywordOf(expected, found),
    dataPath: `.${path}`,
    message: `expected ${expected}, found ${found}`,
  };
}

function keywordOf(expected: string, found: string): string {
  if (expected.startsWith('a known field')) return 'additionalProperties';
  if (found === 'nothing') return 'required';
  return expected.startsWith('one of ') ? 'enum' : 'type';
}

/** What l7mp answers where a name is unknown: 400, not 404. */
export const notFound = (): HttpError => new HttpError(400, 'Not Found');

/** Private keys that stand in the configuration as text are never shown. */
export function hideKeys(_name: string, value: unknown): unknown {
  return typeof value === 'string' && value.includes('PRIVATE KEY-----') ? HIDDEN : value;
}

/** `indent`: spaces; one line when absent. */
export function json(status: number, body: unknown, indent?: number): Response {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' },
    body: `${JSON.stringify(body, hideKeys, indent)}\n`,
  };
}

export function text(status: number, body: string, type = 'text/plain; charset=utf-8'): Response {
  return { status, headers: { 'content-type': type, 'cache-control': 'no-store' }, body };
}

export function redirect(location: string): Response {
  return { status: 302, headers: { location, 'cache-control': 'no-store' }, body: '' };
}

export const ok = (): Response => json(200, { status: 200, message: 'OK' });

export function failure(error: HttpError): Response {
  const { status, details } = error;
  const { allow = [] } = details;
  const reason = reasonOf(status) || 'Error';
  const message = status === 422 ? `${reason}: the request does not fit the schema` : reason;
  const { headers, ...rest } = json(status, error.toBody(message));
  return {
    ...rest,
    headers: {
      ...headers,
      ...(status === 401 && { 'www-authenticate': 'Bearer' }),
      ...(allow.length > 0 && { allow: allow.join(', ') }),
    },
  };
}
