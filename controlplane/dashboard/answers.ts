/** What the dashboard's server answers, and what errors of the services are in words of HTTP. */
import { STATUS_CODES } from 'node:http';
import { FaultsError } from '../../common/errors.ts';
import { HttpError } from '../../common/http-error.ts';
import type { ObjectFaults } from '../../gen/messages.ts';
import { codecOf } from '../../rpc/protos.ts';
import { RpcError, STATUS, type StatusCode } from '../core/rpc.ts';
import { toJson } from '../model/object-text.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Text, or a stream that ends when the signal aborts. */
  readonly body: string | Buffer | ((gone: AbortSignal) => AsyncIterable<string>);
}

/** As google.rpc.Code maps them to HTTP. */
const HTTP_OF: Readonly<Partial<Record<StatusCode, number>>> = {
  [STATUS.CANCELLED]: 499,
  [STATUS.INVALID_ARGUMENT]: 400,
  [STATUS.DEADLINE_EXCEEDED]: 504,
  [STATUS.NOT_FOUND]: 404,
  [STATUS.ALREADY_EXISTS]: 409,
  [STATUS.PERMISSION_DENIED]: 403,
  [STATUS.RESOURCE_EXHAUSTED]: 429,
  [STATUS.FAILED_PRECONDITION]: 400,
  [STATUS.ABORTED]: 409,
  [STATUS.OUT_OF_RANGE]: 400,
  [STATUS.UNIMPLEMENTED]: 501,
  [STATUS.UNAVAILABLE]: 503,
  [STATUS.UNAUTHENTICATED]: 401,
};

export function json(status: number, value: unknown): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' },
    body: `${JSON.stringify(toJson(value))}\n`,
  };
}

export function text(status: number, body: string, type = 'text/plain; charset=utf-8'): Answer {
  return { status, headers: { 'content-type': type, 'cache-control': 'no-store' }, body };
}

/** In the form of a proxy's REST API: `{status, message, content, faults?}`. */
export function failure(error: unknown): Answer {
  const failed = toHttpError(error);
  const { status } = failed;
  const answer = json(status, failed.toBody(STATUS_CODES[status] ?? 'Error'));
  return status === 401 ? { ...answer, headers: { ...answer.headers, 'www-authenticate': 'Bearer' } } : answer;
}

function toHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof FaultsError) return new HttpError(400, error.message, { faults: error.faults });
  if (error instanceof RpcError) {
    const faults = faultsOf(error).flatMap(({ key, faults: own }) =>
      own.map((each) => ({ ...each, path: [`${key?.kind ?? ''}/${key?.name ?? ''}`, each.path].join(': ') })),
    );
    return new HttpError(HTTP_OF[error.code] ?? 500, error.message, { faults });
  }
  return new HttpError(500, error instanceof Error ? error.message : String(error));
}

/** What is wrong with objects of a request, as far as the answer had room. */
export function faultsOf({ details }: RpcError): readonly ObjectFaults[] {
  const codec = codecOf<ObjectFaults>('l7mp.admin.v1.ObjectFaults');
  return details
    .filter(({ type_url }) => type_url.endsWith('/l7mp.admin.v1.ObjectFaults'))
    .map(({ value }) => codec.decode(value));
}
