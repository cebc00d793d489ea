/** What is wrong with a request, as the status that answers it: in words for people, in details for programs. */
import type { Fault, ObjectFaults, ObjectKey } from '../../gen/messages.ts';
import { codecOf } from '../../rpc/protos.ts';
import { RpcError, STATUS } from '../core/rpc.ts';
import { idOf } from './object.ts';

const TYPE = 'l7mp.admin.v1.ObjectFaults';
/** gRPC's metadata, which has the details, is bounded by its peers: 8 KiB is what all take. */
const MAX_TEXT = 3000;
const MAX_DETAILS = 20;
const MAX_EACH = 10;

/** An object of a request with what is wrong with it. */
export interface FaultyObject {
  readonly key: ObjectKey;
  /** Its position in the request, from 0. */
  readonly index: number;
  readonly faults: readonly Fault[];
}

export function faultLine(key: ObjectKey, { path, expected, found }: Fault): string {
  return `${idOf(key)}: ${path === '' ? '' : `${path}: `}expected ${expected}, found ${found}`;
}

/** INVALID_ARGUMENT with all that is wrong: what does not fit into a status is counted. */
export function faultyRequest(objects: readonly FaultyObject[]): RpcError {
  const lines = objects.flatMap(({ key, faults }) => faults.map((fault) => faultLine(key, fault)));
  const shown: string[] = [];
  let length = 0;
  for (const line of lines) {
    const cut = line.length > 500 ? `${line.slice(0, 500)}…` : line;
    length += cut.length;
    if (length > MAX_TEXT) break;
    shown.push(cut);
  }
  if (shown.length < lines.length) shown.push(`and ${lines.length - shown.length} more`);
  const codec = codecOf<ObjectFaults>(TYPE);
  let bytes = 0;
  const details = objects.slice(0, MAX_DETAILS).flatMap(({ key, index, faults }) => {
    const value = codec.encode({ key, index, faults: faults.slice(0, MAX_EACH) });
    bytes += value.length;
    return bytes > MAX_TEXT ? [] : [{ type_url: `type.googleapis.com/${TYPE}`, value }];
  });
  return new RpcError(STATUS.INVALID_ARGUMENT, shown.join('\n'), details);
}
