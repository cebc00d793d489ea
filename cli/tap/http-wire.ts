/** A session of HTTP, as HTTP/1.1 has it (RFC 9112), whatever version it had; and what its metadata say of its request. */
import type { Json } from '../../gen/l7mp/config/v1/types.ts';
import { jsonObject } from '../../common/json.ts';
import { reasonOf } from '../../dataplane/core/status.ts';
import type { HeaderList } from '../../dataplane/core/stream.ts';
import type { TapDirection } from '../../dataplane/core/tap.ts';
import type {
  CloseRecord,
  DataRecord,
  EndRecord,
  HeadRecord,
  SessionRecord,
  TrailersRecord,
} from '../../dataplane/taps/records.ts';
import type { Piece } from './packets.ts';
import { type Said, say, type Wire } from './wire.ts';

/** How its body is told from what follows. */
type Body = 'raw' | 'chunked' | 'none';

/** What the head of a request is made of. */
export interface RequestHead {
  readonly method: string;
  readonly target: string;
  /** Lower-case names, without those that say how long the body is. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly length: string | undefined;
  /** What follows an answer of 101, or 2xx to CONNECT, is of another protocol. */
  readonly isTunnel: boolean;
}

/** Of a session whose client speaks no HTTP, what is asked is not known. */
export function requestHead(metadata: Json, host: string): RequestHead {
  const http = jsonObject(jsonObject(metadata)['HTTP']);
  const url = jsonObject(http['url']);
  const fields = Object.entries(jsonObject(http['headers'])).map(
    ([name, value]) => [name.toLowerCase(), text(value)] as const,
  );
  const named = new Map(fields);
  const method = clean(text(http['method'] ?? 'POST'));
  const path = text(url['path'] ?? '/') || '/';
  const query = url['query'] === undefined ? '' : `?${text(url['query'])}`;
  const authority = url['host'] === undefined ? host : text(url['host']);
  const port = url['port'] === undefined ? '' : `:${text(url['port'])}`;
  const headers = fields.filter(([name]) => !['transfer-encoding', 'content-length'].includes(name));
  return {
    method,
    target: clean(method === 'CONNECT' ? `${authority}${port}` : `${path}${query}`).replaceAll(' ', '%20'),
    headers: named.has('host') ? headers : [['host', `${authority}${port}`], ...headers],
    length: named.get('content-length'),
    isTunnel: method === 'CONNECT' || named.has('upgrade'),
  };
}

/** Lines of a head, with the empty one behind them. */
export function headText(start: string, headers: readonly (readonly [name: string, value: string])[]): string {
  return [start, ...headers.map(([name, value]) => `${clean(name)}: ${clean(value)}`), '', ''].join('\r\n');
}

/** What would break the line. */
function clean(value: string): string {
  return value.replace(/[\r\n\0]+/gu, ' ');
}

function text(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

export class HttpWire implements Wire {
  readonly isBare = false;
  private readonly request: RequestHead;
  /** Lengths that were announced are those of what is shown. */
  private readonly isExact: boolean;
  private readonly body: Partial<Record<TapDirection, Body>> = {};
  private readonly ended = new Set<TapDirection>();
  private trailing: HeaderList = [];

  constructor({ metadata, endpoint }: SessionRecord, isExact: boolean) {
    this.request = requestHead(metadata, endpoint ?? 'unknown');
    this.isExact = isExact;
  }

  data({ direction }: DataRecord, payload: Piece): Said[] {
    const before = direction === 'in' ? this.ask('chunked') : this.answer(200, '', [], 'chunked');
    return [...before, ...this.coded(direction, payload)];
  }

  head({ direction, status, reason = '', headers, tunnel }: HeadRecord): Said[] {
    if (direction === 'in') return [];
    const before = this.ask('none');
    const names = pairs(headers);
    if (status < 200 && status !== 101) return [...before, say('out', headText(statusLine(status, reason), names))];
    const isBare = status === 101 || (this.request.method === 'CONNECT' && status < 300) || tunnel === true;
    const isEmpty = this.request.method === 'HEAD' || status === 204 || status === 304;
    return [...before, ...this.answer(status, reason, names, isBare ? 'raw' : isEmpty ? 'none' : 'chunked')];
  }

  trailers({ headers }: TrailersRecord): Said[] {
    this.trailing = headers;
    return [];
  }

  end({ direction }: EndRecord): Said[] {
    const before = direction === 'in' ? this.ask('none') : this.answer(200, '', [], 'none');
    return [...before, ...this.last(direction)];
  }

  close({ reason, status }: CloseRecord): Said[] {
    const asked = this.ask('none');
    if (this.body.out === undefined && status !== undefined) {
      const why: [string, string][] = [
        ['content-length', '0'],
        ['x-l7mp-reason', reason],
      ];
      asked.push(say('out', headText(statusLine(status, ''), why)));
      this.body.out = 'none';
    }
    return reason === 'OK' ? [...asked, ...this.last('in'), ...this.last('out')] : asked;
  }

  /** The head of the request, once. `body`: what it has where it doesn't say. */
  private ask(body: Body): Said[] {
    if (this.body.in !== undefined) return [];
    const { method, target, headers, length, isTunnel } = this.request;
    this.body.in = isTunnel || (length !== undefined && this.isExact) ? 'raw' : body;
    return [say('in', headText(`${method} ${target} HTTP/1.1`, [...headers, ...lengthField(this.body.in, length)]))];
  }

  private answer(status: number, reason: string, headers: [string, string][], body: Body): Said[] {
    if (this.body.out !== undefined) return [];
    const length = headers.find(([name]) => name.toLowerCase() === 'content-length')?.[1];
    this.body.out = body === 'chunked' && length !== undefined && this.isExact ? 'raw' : body;
    const kept = headers.filter(([name]) => !['transfer-encoding', 'content-length'].includes(name.toLowerCase()));
    // Of an answer without a body it may say how long that would be.
    const says = lengthField(this.body.out, body === 'raw' ? undefined : length);
    return [say('out', headText(statusLine(status, reason), [...kept, ...says]))];
  }

  private coded(direction: TapDirection, { bytes, length }: Piece): Said[] {
    if (length === 0) return [];
    if (this.body[direction] !== 'chunked') return [{ direction, bytes, length }];
    const size = Buffer.from(`${length.toString(16)}\r\n`);
    const begun = { direction, bytes: Buffer.concat([size, bytes]), length: size.length + length };
    return [begun, say(direction, '\r\n')];
  }

  private last(direction: TapDirection): Said[] {
    if (this.ended.has(direction)) return [];
    this.ended.add(direction);
    if (this.body[direction] !== 'chunked') return [];
    return [say(direction, headText('0', direction === 'out' ? pairs(this.trailing) : []))];
  }
}

function lengthField(body: Body, length: string | undefined): [string, string][] {
  if (body === 'chunked') return [['transfer-encoding', 'chunked']];
  return length === undefined ? [] : [['content-length', length]];
}

function statusLine(status: number, reason: string): string {
  return `HTTP/1.1 ${status} ${clean(reason) || reasonOf(status)}`;
}

function pairs(headers: HeaderList): [string, string][] {
  return headers.flatMap((name, index): [string, string][] =>
    index % 2 === 0 ? [[name, headers[index + 1] ?? '']] : [],
  );
}
