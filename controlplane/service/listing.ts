/** Objects page by page, in the order of their kinds and names. */
import type { ListRequest, ListResponse, Object as Shown } from '../../gen/messages.ts';
import { RpcError, STATUS } from '../core/rpc.ts';
import type { ConfigObject } from '../model/object.ts';
import type { Model } from './model.ts';
import { MAX_RESPONSE_BYTES, showObject, sizeOf } from './showing.ts';

const MAX_PAGE = 1000;

/** What a page begins behind. */
type Position = readonly [kind: string, name: string, source: string];

export function list(model: Model, request: ListRequest): ListResponse {
  const { kinds, labels, page_size: size, page_token: token } = request;
  if (size < 0) throw new RpcError(STATUS.INVALID_ARGUMENT, `page_size: expected a number from 0, found ${size}`);
  const most = size === 0 ? 500 : Math.min(size, MAX_PAGE);
  const after = token === '' ? undefined : readToken(token);
  const wanted = Object.entries(labels);
  const found = [...entriesOf(model)]
    .filter(({ object }) => kinds.length === 0 || kinds.includes(object.key.kind))
    .filter(({ object }) => wanted.every(([label, value]) => object.labels[label] === value))
    .filter(({ object }) => after === undefined || compare(positionOf(object), after) > 0)
    .sort((one, other) => compare(positionOf(one.object), positionOf(other.object)));
  const objects: Shown[] = [];
  let bytes = 0;
  let last: Position | undefined;
  for (const { object, by } of found) {
    const status = by === undefined ? model.statusOf(object) : shadowed(by);
    const shown = showObject(object, status);
    bytes += sizeOf(shown);
    if (objects.length === most || (bytes > MAX_RESPONSE_BYTES && last)) break;
    objects.push(shown);
    last = positionOf(object);
  }
  const more = objects.length < found.length && last;
  return { objects, revision: model.mirror.revision, next_page_token: more ? toToken(last) : '' };
}

function* entriesOf(model: Model): Iterable<{ readonly object: ConfigObject; readonly by?: string }> {
  for (const object of model.objects()) yield { object };
  yield* model.shadowed();
}

function shadowed(by: string): NonNullable<Shown['status']> {
  return { accepted: false, faults: [], warnings: [], selected: 0, acked: 0, serving: 0, failed: [], shadowed_by: by };
}

function positionOf({ key: { kind, name }, source }: ConfigObject): Position {
  return [kind, name, source];
}

function compare(one: Position, other: Position): number {
  for (const [index, part] of one.entries()) {
    const against = other[index] ?? '';
    if (part !== against) return part < against ? -1 : 1;
  }
  return 0;
}

function toToken(position: Position | undefined): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

function readToken(token: string): Position {
  try {
    const position: unknown = JSON.parse(Buffer.from(token, 'base64url').toString());
    if (Array.isArray(position) && position.length === 3 && position.every((part) => typeof part === 'string')) {
      return position as unknown as Position;
    }
  } catch {
    // As below.
  }
  throw new RpcError(STATUS.INVALID_ARGUMENT, 'page_token: expected one of the last response, found something else');
}
