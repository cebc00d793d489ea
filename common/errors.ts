/** The one error type of the proxy, and how system errors become it. The catalogue of codes is docs/errors.md. */

import { withPlainWords } from './openssl-text.ts';

/** Why something failed; the bounded set that metrics and access logs use as a label. */
export type ErrorCode =
  | 'ADDRESS_IN_USE'
  | 'ADDRESS_NOT_AVAILABLE'
  | 'CHILD_EXITED'
  | 'CIRCUIT_OPEN'
  | 'CONNECT_FAILED'
  | 'CONNECT_REFUSED'
  | 'CONNECT_TIMEOUT'
  | 'DELETED'
  | 'DRAINED'
  | 'FAULT_INJECTED'
  | 'HOST_NOT_FOUND'
  | 'IDLE_TIMEOUT'
  | 'INTERNAL'
  | 'INVALID_CONFIG'
  | 'LIMIT_EXCEEDED'
  | 'LISTENER_CLOSED'
  | 'NO_DESCRIPTORS'
  | 'NO_ENDPOINT'
  | 'NO_ROUTE'
  | 'NO_SPACE'
  | 'NOT_FOUND'
  | 'PEER_CLOSED'
  | 'PEER_RESET'
  | 'PERMISSION_DENIED'
  | 'PROTOCOL_ERROR'
  | 'RATE_LIMITED'
  | 'RESPONDED'
  | 'RESPONSE_TIMEOUT'
  | 'SESSION_TIMEOUT'
  | 'TLS_FAILED'
  | 'TOO_LARGE'
  | 'UNKNOWN_CLUSTER'
  | 'UNKNOWN_ROUTE'
  | 'UNREACHABLE'
  | 'UNSUPPORTED';

/** An error with a code of the catalogue. The message says what was expected, what was found, and where. */
export class ProxyError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, cause?: unknown) {
    // These are outcomes, not bugs: a stack for every reset would cost more than the reset. A cause has its own.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message, cause === undefined ? undefined : { cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.name = 'ProxyError';
    this.code = code;
  }

  /** A system or library error as ProxyError; `fallback` is the code where its own code says nothing. */
  static from(error: unknown, fallback: ErrorCode = 'INTERNAL'): ProxyError {
    if (error instanceof ProxyError) return error;
    if (!(error instanceof Error)) return new ProxyError(fallback, String(error));
    const code = (error as NodeJS.ErrnoException).code;
    const message = withPlainWords(error.message) || String(code);
    return new ProxyError((code !== undefined && codeOfErrno(code)) || fallback, message, error);
  }
}

const ERRNO: Readonly<Record<string, ErrorCode>> = {
  EACCES: 'PERMISSION_DENIED',
  EADDRINUSE: 'ADDRESS_IN_USE',
  EADDRNOTAVAIL: 'ADDRESS_NOT_AVAILABLE',
  EAI_AGAIN: 'HOST_NOT_FOUND',
  ECONNABORTED: 'PEER_RESET',
  ECONNREFUSED: 'CONNECT_REFUSED',
  ECONNRESET: 'PEER_RESET',
  EDQUOT: 'NO_SPACE',
  EHOSTDOWN: 'UNREACHABLE',
  EHOSTUNREACH: 'UNREACHABLE',
  EMFILE: 'NO_DESCRIPTORS',
  EMSGSIZE: 'TOO_LARGE',
  ENETUNREACH: 'UNREACHABLE',
  ENFILE: 'NO_DESCRIPTORS',
  ENOENT: 'NOT_FOUND',
  ENOSPC: 'NO_SPACE',
  ENOTFOUND: 'HOST_NOT_FOUND',
  EPERM: 'PERMISSION_DENIED',
  EPIPE: 'PEER_RESET',
  EPROTONOSUPPORT: 'UNSUPPORTED',
  ESOCKTNOSUPPORT: 'UNSUPPORTED',
  ETIMEDOUT: 'CONNECT_TIMEOUT',
};

function codeOfErrno(code: string): ErrorCode | undefined {
  if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_') || code.includes('CERT')) return 'TLS_FAILED';
  return ERRNO[code];
}

/** One thing that is wrong with a configuration. */
export interface Fault {
  /** Where, as in `listeners[0].spec.port`. */
  readonly path: string;
  readonly found: string;
  readonly expected: string;
  /** The line in the file, from 1, where it is known. */
  readonly line?: number;
  /** What failed, where the configuration is in order and the system would not have it. */
  readonly code?: ErrorCode;
}

/** All that is wrong with a configuration, at once. */
export class FaultsError extends ProxyError {
  readonly faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    super('INVALID_CONFIG', faults.map(formatFault).join('\n'));
    this.name = 'FaultsError';
    this.faults = faults;
  }
}

/** `listeners[0].spec.port: expected a number from 0 to 65535, found "x" (line 7)`. */
export function formatFault(fault: Fault): string {
  const line = fault.line === undefined ? '' : ` (line ${String(fault.line)})`;
  return `${fault.path || 'configuration'}: expected ${fault.expected}, found ${fault.found}${line}`;
}
