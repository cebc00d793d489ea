/** The HTTP status (RFC 9110, section 15) that tells a client why its session was refused, where its protocol has one. */
import type { ErrorCode, ProxyError } from '../../common/errors.ts';

const STATUS: Readonly<Partial<Record<ErrorCode, number>>> = {
  CIRCUIT_OPEN: 503,
  CONNECT_TIMEOUT: 504,
  DRAINED: 503,
  IDLE_TIMEOUT: 504,
  LIMIT_EXCEEDED: 503,
  LISTENER_CLOSED: 503,
  NO_DESCRIPTORS: 503,
  NO_ENDPOINT: 503,
  NO_ROUTE: 404,
  RATE_LIMITED: 429,
  RESPONSE_TIMEOUT: 504,
  SESSION_TIMEOUT: 504,
  TOO_LARGE: 413,
  UNKNOWN_CLUSTER: 503,
  UNKNOWN_ROUTE: 503,
};

const REASONS: Readonly<Record<number, string>> = {
  101: 'Switching Protocols',
  200: 'OK',
  204: 'No Content',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  421: 'Misdirected Request',
  422: 'Unprocessable Entity',
  426: 'Upgrade Required',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

/** The reason phrase of a status line; empty for what the proxy never says of its own. */
export function reasonOf(status: number): string {
  return REASONS[status] ?? '';
}

/** 502 where no other fits better. */
export function statusOf({ code }: ProxyError): number {
  return STATUS[code] ?? 502;
}
