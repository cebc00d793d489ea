/** Statuses of gRPC, by their codes (https://grpc.github.io/grpc/core/md_doc_statuscodes.html). */
const NAMES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;

/** With these the server has failed, and not what was asked of it (semantic conventions for gRPC spans, kind SERVER). */
const OF_SERVER: ReadonlySet<string> = new Set([
  'UNKNOWN',
  'DEADLINE_EXCEEDED',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
]);

/** The name of a code, or `UNKNOWN` as gRPC's own clients have it. */
export function grpcStatusName(code: number): string {
  return NAMES[code] ?? 'UNKNOWN';
}

/** The code that a field `grpc-status` says: 2 (`UNKNOWN`) for what is none. */
export function parseGrpcStatus(value: string): number {
  const code = /^\d{1,2}$/u.test(value) ? Number(value) : 2;
  return code < NAMES.length ? code : 2;
}

export function isGrpcFailure(code: number): boolean {
  return OF_SERVER.has(grpcStatusName(code));
}

/** Whether a body of this type is of gRPC, which has its status in trailers. */
export function isGrpc(contentType: unknown): boolean {
  if (typeof contentType !== 'string' || !contentType.startsWith('application/grpc')) return false;
  const next = contentType.charAt('application/grpc'.length);
  return next === '' || next === '+' || next === ';';
}
