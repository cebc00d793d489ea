/** What a control plane refuses, as errors of the command that say what to do. */
import { type ServiceError, status } from '@grpc/grpc-js';
import type { Fault, ObjectFaults, ObjectKey, Status } from '../../gen/messages.ts';
import { codecOf } from '../../rpc/protos.ts';
import { reasonOf } from '../../common/unreached.ts';
import { ApiError, ConflictError } from '../exit.ts';
import { formatKey } from './kinds.ts';

/** Objects of a request are wrong; `objects` is as far as the answer had room. */
export class FaultyRequest extends ApiError {
  readonly objects: readonly ObjectFaults[];

  constructor(message: string, objects: readonly ObjectFaults[]) {
    super(message);
    this.objects = objects;
  }
}

/** How grpc-js begins what it says of connections. */
const UNREACHED =
  /^(?:No connection|Connection|Name resolution|The server refused|Failed to connect|Subchannel|.*Last error)/u;

export function toCommandError(error: ServiceError, server: string): Error {
  const { code, details } = error;
  if (typeof code !== 'number') return error;
  switch (code) {
    case status.UNAVAILABLE:
      // What the server itself says is about its store.
      return new ApiError(
        UNREACHED.test(details)
          ? `expected a control plane at ${server} (--server, L7MP_SERVER): ${withHint(reasonOf(details, 'https://HOST:PORT, --ca'))}`
          : `${server}: ${details}`,
      );
    case status.UNAUTHENTICATED:
      return new ApiError(`${server}: ${details}; say who you are by --token-file, or by --cert and --key`);
    case status.PERMISSION_DENIED:
      return new ApiError(`${server}: ${details}; this needs another token or certificate`);
    case status.ABORTED:
      return new ConflictError(
        `${details}\nSomebody changed it meanwhile: look at it by \`l7mp get KIND NAME -o yaml\` or \`l7mp diff -f FILE\`, then apply again`,
      );
    case status.DEADLINE_EXCEEDED:
      return new ApiError(`expected an answer of ${server} in time, found none: ${details}`);
    case status.UNIMPLEMENTED:
      return new ApiError(`expected a control plane of this version at ${server}: ${details}`);
    case status.INVALID_ARGUMENT:
      return new FaultyRequest(details, objectFaults(error));
    default:
      return new ApiError(details === '' ? `${server}: ${status[code]}` : details);
  }
}

/** Which option has to do with what is wrong with a certificate, by what Node.js says of it. */
const HINTS: readonly (readonly [says: RegExp, hint: string])[] = [
  [/does not match certificate's altnames/u, '--tls-server-name says whom the certificate must be for'],
  [/unable to verify|self-signed|unable to get (?:local )?issuer/u, '--ca has the authorities that may have signed it'],
];

function withHint(reason: string): string {
  const [, hint] = HINTS.find(([says]) => says.test(reason)) ?? [];
  return hint === undefined ? reason : `${reason.replace(/: $/u, '')}; ${hint}`;
}

function objectFaults({ metadata }: ServiceError): readonly ObjectFaults[] {
  const [bytes] = metadata.get('grpc-status-details-bin');
  if (!Buffer.isBuffer(bytes)) return [];
  const codec = codecOf<ObjectFaults>('l7mp.admin.v1.ObjectFaults');
  return codecOf<Status>('google.rpc.Status')
    .decode(bytes)
    .details.filter(({ type_url }) => type_url.endsWith('/l7mp.admin.v1.ObjectFaults'))
    .map(({ value }) => codec.decode(value));
}

/** `Listener/web: spec.port: expected …, found …`. */
export function formatObjectFault(key: ObjectKey | undefined, { path, expected, found }: Fault): string {
  return `${key === undefined ? '' : `${formatKey(key)}: `}${path === '' ? '' : `${path}: `}expected ${expected}, found ${found}`;
}
