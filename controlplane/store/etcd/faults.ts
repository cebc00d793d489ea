/** etcd's errors in the store's words (codes and texts: etcd's api/v3rpc/rpctypes). */
import { status, type ServiceError } from '@grpc/grpc-js';
import { StoreError } from '../../core/store.ts';

/** An answer that is larger than a client takes: grpc-js's own words; a server's start with `grpc:`. */
const TOO_LARGE_ANSWER = /^Received message larger than max/u;

/** The token is none, or older than the last change of users. */
export function isTokenRefused(error: unknown): boolean {
  const { code, details = '' } = error as Partial<ServiceError>;
  return code === status.UNAUTHENTICATED || /invalid auth token|auth store is old/u.test(details);
}

/** A page of a listing was too large, and is to be asked for in parts. */
export function isAnswerTooLarge(error: unknown): boolean {
  const { cause } = error as StoreError;
  return TOO_LARGE_ANSWER.test((cause as Partial<ServiceError> | undefined)?.details ?? '');
}

/** `nothingChanged`: so it is whatever the fault, as it only reads or may be made again. */
export function faultOf(error: unknown, nothingChanged: boolean, prefix = 'etcd: '): StoreError {
  if (error instanceof StoreError) return error;
  const { code, details = (error as Error).message } = error as Partial<ServiceError>;
  const fault = (of: StoreError['code'], text: string): StoreError =>
    new StoreError(of, `${prefix}${details}${text}`, error);
  switch (code) {
    case status.RESOURCE_EXHAUSTED:
      if (/database space exceeded/u.test(details)) {
        return fault('FULL', ': nothing was changed; compact and defragment it, or raise --quota-backend-bytes');
      }
      if (/larger than max/u.test(details)) return fault('TOO_LARGE', TOO_LARGE_ANSWER.test(details) ? '' : RAISE);
      return fault('UNAVAILABLE', ': nothing was changed');
    case status.INVALID_ARGUMENT:
      if (/too large|too many operations/u.test(details)) return fault('TOO_LARGE', RAISE);
      return fault('UNAVAILABLE', ': nothing was changed');
    case status.OUT_OF_RANGE:
      return fault('COMPACTED', '');
    case status.PERMISSION_DENIED:
    case status.UNAUTHENTICATED:
    case status.FAILED_PRECONDITION:
    case status.UNIMPLEMENTED:
    case status.NOT_FOUND:
      return fault('UNAVAILABLE', ': nothing was changed');
    default:
      return fault('UNAVAILABLE', nothingChanged ? '' : '; whether it was made is not known');
  }
}

const RAISE = ': nothing was changed; etcd takes more with --max-txn-ops and --max-request-bytes';
