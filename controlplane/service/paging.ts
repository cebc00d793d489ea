/** Lists page by page: as many as are asked for and as fit into a response, and where the next page begins. */
import { RpcError, STATUS } from '../core/rpc.ts';
import { MAX_RESPONSE_BYTES } from './showing.ts';

export interface PageRequest {
  /** 0: the list's own. */
  readonly page_size: number;
  /** Empty: the first page. */
  readonly page_token: string;
}

/** What a page begins behind. */
export type Position = readonly string[];

export interface Paged<Item, Shown> {
  /** Of positions. */
  readonly parts: number;
  /** Different for each item. */
  readonly positionOf: (item: Item) => Position;
  readonly compare: (one: Position, other: Position) => number;
  readonly show: (item: Item) => Shown;
  /** About what it takes on the wire, in bytes. */
  readonly sizeOf: (shown: Shown) => number;
}

const PAGE_SIZE = { absent: 500, most: 1000 };

/** @throws RpcError INVALID_ARGUMENT */
export function pageOf<Item, Shown>(
  items: readonly Item[],
  request: PageRequest,
  { parts, positionOf, compare, show, sizeOf }: Paged<Item, Shown>,
): { readonly page: Shown[]; readonly next_page_token: string } {
  const most = pageSizeOf(request, PAGE_SIZE);
  const after = positionOfToken(request, parts);
  const found = items
    .map((item) => ({ item, position: positionOf(item) }))
    .filter(({ position }) => after === undefined || compare(position, after) > 0)
    .sort((one, other) => compare(one.position, other.position));
  const page: Shown[] = [];
  let bytes = 0;
  let last: Position = [];
  for (const { item, position } of found) {
    if (page.length === most) break;
    const shown = show(item);
    bytes += sizeOf(shown);
    if (bytes > MAX_RESPONSE_BYTES && page.length > 0) break;
    page.push(shown);
    last = position;
  }
  return { page, next_page_token: page.length < found.length ? toToken(last) : '' };
}

/** @throws RpcError INVALID_ARGUMENT */
export function pageSizeOf(
  { page_size: size }: PageRequest,
  { absent, most }: { readonly absent: number; readonly most: number },
): number {
  if (size < 0) throw new RpcError(STATUS.INVALID_ARGUMENT, `page_size: expected a number from 0, found ${size}`);
  return size === 0 ? absent : Math.min(size, most);
}

/** `length` is that of the list's positions. Undefined: the first page. @throws RpcError INVALID_ARGUMENT */
export function positionOfToken({ page_token: token }: PageRequest, length: number): Position | undefined {
  if (token === '') return undefined;
  try {
    const position: unknown = JSON.parse(Buffer.from(token, 'base64url').toString());
    if (Array.isArray(position) && position.length === length && position.every((part) => typeof part === 'string')) {
      return position;
    }
  } catch {
    // As below.
  }
  throw new RpcError(STATUS.INVALID_ARGUMENT, 'page_token: expected one of the last response, found something else');
}

export function toToken(position: Position): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/** Part by part. */
export function compareParts(one: Position, other: Position): number {
  for (const [index, part] of one.entries()) {
    const against = other[index] ?? '';
    if (part !== against) return part < against ? -1 : 1;
  }
  return 0;
}
