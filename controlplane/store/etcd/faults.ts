/** etcd's errors in the store's words (codes and texts: etcd's api/v3rpc/rpctypes). */
import { status, type ServiceError } from '@grpc/grpc-js';
import { StoreError } from '../../core/store.ts';

/** An answer that is larger than a client takes: grpc-js's own words; a server's start with `grpc:`. */
const TOO_LARGE_ANSWER = 'Received message larger than max';

/** The token is none, or older than the last change of users. */
export function isTokenRefused(error: unknown): boolean {
  const { code, details = '' } = error as Partial<ServiceError>;
  return code === status.UNAUTHENTICATED || /invalid auth token|auth store is old/u.test(details);
}

/** A page of a listing was too large, and is to be asked for in parts. */
export function isAnswerTooLarge(error: unknown): boolean {
  return causeOf(error).details?.startsWith(TOO_LARGE_ANSWER) === true;
}

/** The user may not do that. */
export function isDenied(error: unknown): boolean {
  return causeOf(error).code === status.PERMISSION_DENIED;
}

function causeOf(error: unknown): Partial<ServiceError> {
  return (error as { readonly cause?: Partial<ServiceError> }).cause ?? {};
}

/** What etcd says to the same request however often, and at every endpoint. */
const REFUSALS: readonly (status | undefined)[] = [
  status.INVALID_ARGUMENT,
  status.PERMISSION_DENIED,
  status.UNAUTHENTICATED,
  status.FAILED_PRECONDITION,
  status.UNIMPLEMENTED,
  status.NOT_FOUND,
];

export function isRefusal(error: unknown): boolean {
  return REFUSALS.includes((error as Partial<ServiceError>).code);
}

/** `nothingChanged`: so it is whatever the fault, as it only reads or may be made again. */
export function faultOf(error: unknown, nothingChanged: boolean, prefix = 'etcd: '): StoreError {
  if (error instanceof StoreError) return error;
  const { code, details = (error as Error).message } = error as Partial<ServiceError>;
  const fault = (of: StoreError['code'], text: string): StoreError =>
    new StoreError(of, `${prefix}${details}${text}`, error);
  if (code === status.INVALID_ARGUMENT && /too large|too many operations/u.test(details))
    return fault('TOO_LARGE', RAISE);
  if (isRefusal(error)) return fault('UNAVAILABLE', ': nothing was changed');
  switch (code) {
    case status.RESOURCE_EXHAUSTED:
      if (details.includes('database space exceeded')) {
        return fault('FULL', ': nothing was changed; compact and defragment it, or raise --quota-backend-bytes');
      }
      if (details.startsWith(TOO_LARGE_ANSWER)) return fault('TOO_LARGE', '');
      if (details.includes('larger than max')) return fault('TOO_LARGE', RAISE);
      return fault('UNAVAILABLE', ': nothing was changed');
    case status.OUT_OF_RANGE:
      return fault('COMPACTED', '');
    default:
      return fault('UNAVAILABLE', nothingChanged ? '' : '; whether it was made is not known');
  }
}

const RAISE = ': nothing was changed; etcd takes more with --max-txn-ops and --max-request-bytes';
