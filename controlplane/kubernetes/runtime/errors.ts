/** What the API server refuses, and what keeps one from it: one error, with the fields of its `Status`. */

/** One field that is wrong (metav1.StatusCause). */
export interface FieldCause {
  /** As in `spec.listeners[0].port`; empty where the server names none. */
  readonly field: string;
  readonly reason: string;
  readonly message: string;
}

export interface KubeErrorFields {
  /** The HTTP status; 0 where no answer came. */
  readonly code: number;
  /**
   * CamelCase, for programs: the reason of the `Status`, as `NotFound`, `Conflict`, `Expired`; of our own are `Unreachable`,
   * `Timeout`, `Aborted`, `BadAnswer` and `TooLarge`.
   */
  readonly reason: string;
  readonly causes?: readonly FieldCause[];
  /** When the server wants to be asked again, in ms. */
  readonly retryAfterMs?: number | undefined;
}

export class KubeError extends Error {
  readonly code: number;
  readonly reason: string;
  readonly causes: readonly FieldCause[];
  readonly retryAfterMs: number | undefined;

  constructor(message: string, { code, reason, causes = [], retryAfterMs }: KubeErrorFields, cause?: unknown) {
    // Most are outcomes, not bugs; a cause has its own stack.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message, cause === undefined ? undefined : { cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.name = 'KubeError';
    this.code = code;
    this.reason = reason;
    this.causes = causes;
    this.retryAfterMs = retryAfterMs;
  }
}

/** metav1.Status, as far as it is read. */
interface Status {
  readonly kind?: string;
  readonly message?: string;
  readonly reason?: string;
  readonly code?: number;
  readonly details?: {
    readonly retryAfterSeconds?: number;
    readonly causes?: readonly { readonly field?: string; readonly reason?: string; readonly message?: string }[];
  };
}

/** The part of a text that isn't a `Status` which a message shows. */
const SHOWN_CHARACTERS = 200;

/**
 * The error that an answer tells, whether it is a `Status` or, as of a proxy on the way, anything else.
 *
 * @param what as in `get Service default/web`
 */
export function errorOfAnswer(what: string, code: number, body: unknown, retryAfterMs?: number): KubeError {
  const status = isStatus(body) ? body : undefined;
  const text = status?.message ?? (typeof body === 'string' ? body.slice(0, SHOWN_CHARACTERS).trim() : '');
  const seconds = status?.details?.retryAfterSeconds;
  return new KubeError(`${what}: ${text || `the API server answered with ${code}`}`, {
    code: status?.code ?? code,
    reason: status?.reason ?? reasonOf(code),
    causes: (status?.details?.causes ?? []).map(({ field = '', reason = '', message = '' }) => ({
      field,
      reason,
      message,
    })),
    retryAfterMs: retryAfterMs ?? (seconds === undefined || seconds <= 0 ? undefined : seconds * 1000),
  });
}

function isStatus(body: unknown): body is Status {
  return typeof body === 'object' && body !== null && (body as Status).kind === 'Status';
}

/** Where the server gives none: the reasons of metav1.StatusReason for the code. */
function reasonOf(code: number): string {
  return REASONS[code] ?? 'Unknown';
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  406: 'NotAcceptable',
  409: 'Conflict',
  410: 'Gone',
  413: 'RequestEntityTooLarge',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

const hasCode = (error: unknown, code: number): boolean => error instanceof KubeError && error.code === code;

export const isNotFound = (error: unknown): boolean => hasCode(error, 404);
/** Somebody else changed it meanwhile; or, of a creation, it is there already. */
export const isConflict = (error: unknown): boolean => hasCode(error, 409);
/** What was asked for is older than what the server keeps: list again. */
export const isExpired = (error: unknown): boolean => hasCode(error, 410);
/** The server would not have such a request, however often. */
export const isUnsupported = (error: unknown): boolean =>
  [400, 405, 406, 415, 422].some((code) => hasCode(error, code));
