/** The status that tells a client why its session was refused. */
import type { ErrorCode, ProxyError } from '../../core/errors.ts';

const STATUS: Readonly<Partial<Record<ErrorCode, number>>> = {
  CIRCUIT_OPEN: 503,
  CONNECT_TIMEOUT: 504,
  DRAINED: 503,
  LIMIT_EXCEEDED: 503,
  NO_DESCRIPTORS: 503,
  NO_ENDPOINT: 503,
  NO_ROUTE: 404,
  RATE_LIMITED: 429,
  RESPONSE_TIMEOUT: 504,
  TOO_LARGE: 413,
  UNKNOWN_CLUSTER: 503,
  UNKNOWN_ROUTE: 503,
};

export const REASONS: Readonly<Record<number, string>> = {
  101: 'Switching Protocols',
  200: 'OK',
  400: 'Bad Request',
  404: 'Not Found',
  408: 'Request Timeout',
  413: 'Content Too Large',
  417: 'Expectation Failed',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
};

export function statusOf({ code }: ProxyError): number {
  return STATUS[code] ?? 502;
}

/** What the client reads: the code, and nothing of the inside. */
export function refusalBody(error: ProxyError): string {
  return `${REASONS[statusOf(error)] ?? 'Error'}: ${error.code}\n`;
}
