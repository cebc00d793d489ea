/** Header fields and trailers of gRPC over HTTP/2. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import { LONGEST_TIMER } from '../../common/timer.ts';
import type { Status } from '../../gen/messages.ts';
import { codecOf } from '../../rpc/protos.ts';
import { RpcError, STATUS, type StatusCode } from '../core/rpc.ts';

const statusCodec = codecOf<Status>('google.rpc.Status');

/** Longer messages are cut: clients limit the size of header fields (8 KiB is usual). */
const MAX_MESSAGE_CHARACTERS = 2048;
/** Larger details are left out for the same reason. */
const MAX_DETAILS_BYTES = 4096;

const UNITS_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000_001 };

/** The time in `grpc-timeout`, in ms; undefined where there is none. @throws RpcError INVALID_ARGUMENT. */
export function timeoutOf(headers: IncomingHttpHeaders): number | undefined {
  const text = headers['grpc-timeout'];
  if (text === undefined) return undefined;
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/u.exec(String(text)) ?? [];
  if (digits === undefined || unit === undefined) {
    throw new RpcError(
      STATUS.INVALID_ARGUMENT,
      `expected grpc-timeout of up to 8 digits and a unit, found ${JSON.stringify(text)}`,
    );
  }
  const timeoutMs = Math.ceil(Number(digits) * (UNITS_MS[unit] ?? 0));
  return timeoutMs > LONGEST_TIMER ? undefined : timeoutMs; // longer than that is as good as for ever
}

/** Whether a request's content type is gRPC's, with protobuf messages. */
export function isGrpc(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/grpc(\+proto)?\s*(;|$)/iu.test(contentType);
}

/** The fields that a client set, without HTTP/2's own. */
export function metadataOf(headers: IncomingHttpHeaders): Readonly<Record<string, string>> {
  const metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(':')) continue;
    metadata[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return metadata;
}

/** Trailers of a status. */
export function trailersOf(code: StatusCode, message: string, details: RpcError['details'] = []): OutgoingHttpHeaders {
  const trailers: OutgoingHttpHeaders = { 'grpc-status': String(code) };
  if (message !== '') trailers['grpc-message'] = percentEncode(message);
  if (details.length > 0) {
    const bytes = statusCodec.encode({ code, message, details });
    // Binary fields go without padding.
    if (bytes.length <= MAX_DETAILS_BYTES) {
      trailers['grpc-status-details-bin'] = bytes.toString('base64').replace(/=+$/u, '');
    }
  }
  return trailers;
}

/** Printable ASCII but `%` as it is, every other byte of the UTF-8 form as `%XX`. */
export function percentEncode(message: string): string {
  const cut = message.length > MAX_MESSAGE_CHARACTERS ? `${message.slice(0, MAX_MESSAGE_CHARACTERS)}…` : message;
  return cut.replace(/[^\x20-\x24\x26-\x7e]+/gu, (text) =>
    [...Buffer.from(text)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}
