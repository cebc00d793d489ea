/**
 * HTTP/1.1 on the wire (RFC 9112): heads and bodies, from bytes and to bytes. Strict where leniency lets requests be
 * smuggled past a proxy: no obs-fold, no bare CR or LF, no space before the colon, no conflicting lengths.
 */
import { ProxyError } from '../../../common/errors.ts';
import type { HeaderList, Signal } from '../../core/stream.ts';
import { hasToken, isHopByHop, trimSpace } from '../../sockets/http-fields.ts';

/** Header fields of one message, in order. */
export interface Fields {
  /** As received. */
  readonly names: string[];
  /** In lower case. */
  readonly keys: string[];
  readonly values: string[];
}

export interface RequestHead extends Fields {
  readonly method: string;
  readonly target: string;
  readonly minor: 0 | 1;
}

export interface ResponseHead extends Fields {
  readonly status: number;
  readonly reason: string;
  readonly minor: 0 | 1;
}

/** How a body ends: after so many bytes, after a last chunk, or with the connection. */
export type BodyKind =
  { readonly kind: 'none' | 'chunked' | 'close' } | { readonly kind: 'length'; readonly length: number };

const NONE: BodyKind = { kind: 'none' };

/** The most header fields of a message. */
const MAX_FIELDS = 256;

const malformed = (what: string): ProxyError => new ProxyError('PROTOCOL_ERROR', `malformed HTTP/1.1: ${what}`);

const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e\x80-\xff]+) HTTP\/1\.([01])$/u;
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/u;
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/u;
const HOST = /^(?:[!$%&'()*+,;=._~0-9A-Za-z\x80-\xff-]*|\[[\d.:A-Fa-f]+\])(?::\d*)?$/u;
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/u;

/** Where the head that starts at `from` ends: the index behind its empty line; -1 where it isn't complete. */
export function findHeadEnd(buffer: Buffer, from: number): number {
  const at = buffer.indexOf('\r\n\r\n', from, 'latin1');
  return at < 0 ? -1 : at + 4;
}

/** @throws ProxyError `PROTOCOL_ERROR` */
export function parseRequestHead(buffer: Buffer, start: number, end: number): RequestHead {
  const text = buffer.toString('latin1', start, end - 2);
  const lineEnd = text.indexOf('\r\n');
  const match = REQUEST_LINE.exec(text.slice(0, lineEnd));
  if (!match) throw malformed('the request line');
  const [, method = '', target = '', minor] = match;
  const head: RequestHead = { method, target, minor: minor === '1' ? 1 : 0, ...parseFields(text, lineEnd + 2) };
  checkHost(head);
  return head;
}

/** One Host, which can be one; HTTP/1.0 may have none (RFC 9112, section 3.2). */
function checkHost({ keys, values, minor }: RequestHead): void {
  const at = keys.indexOf('host');
  if (at < 0) {
    if (minor === 1) throw malformed('no Host');
  } else if (keys.includes('host', at + 1) || !HOST.test(values[at] ?? '')) throw malformed('Host');
}

/** @throws ProxyError `PROTOCOL_ERROR` */
export function parseResponseHead(buffer: Buffer, start: number, end: number): ResponseHead {
  const text = buffer.toString('latin1', start, end - 2);
  const lineEnd = text.indexOf('\r\n');
  const match = STATUS_LINE.exec(text.slice(0, lineEnd));
  if (!match) throw malformed('the status line');
  const [, minor, status, reason = ''] = match;
  return { status: Number(status), reason, minor: minor === '1' ? 1 : 0, ...parseFields(text, lineEnd + 2) };
}

/** Fields from `at` to the end of the text, each ended by CRLF. */
function parseFields(text: string, from: number): Fields {
  const names: string[] = [];
  const keys: string[] = [];
  const values: string[] = [];
  for (let at = from; at < text.length;) {
    const end = text.indexOf('\r\n', at);
    if (end < 0) throw malformed('a header without its end');
    const colon = text.indexOf(':', at);
    if (colon < 0 || colon > end) throw malformed('a header without a colon');
    const name = text.slice(at, colon);
    if (!FIELD_NAME.test(name)) throw malformed('the name of a header');
    const value = trimSpace(text.slice(colon + 1, end));
    if (!FIELD_VALUE.test(value)) throw malformed(`the value of ${name}`);
    if (names.length === MAX_FIELDS) throw new ProxyError('TOO_LARGE', `more than ${MAX_FIELDS} headers`);
    names.push(name);
    keys.push(name.toLowerCase());
    values.push(value);
    at = end + 2;
  }
  return { names, keys, values };
}

/** The value of a field; several are joined. Undefined where there is none. */
export function fieldOf({ keys, values }: Fields, key: string): string | undefined {
  const at = keys.indexOf(key);
  if (at < 0) return undefined;
  if (!keys.includes(key, at + 1)) return values[at];
  return values.filter((_, index) => keys[index] === key).join(key === 'cookie' ? '; ' : ', ');
}

/** The one length, or undefined. Several fields must agree, and be plain numbers (RFC 9112, section 6.3). */
function contentLength(fields: Fields): number | undefined {
  let length: number | undefined;
  for (
    let index = fields.keys.indexOf('content-length');
    index >= 0;
    index = fields.keys.indexOf('content-length', index + 1)
  ) {
    const value = fields.values[index] ?? '';
    const number = /^\d{1,15}$/u.test(value) ? Number(value) : NaN;
    if (Number.isNaN(number) || (length !== undefined && length !== number)) throw malformed('Content-Length');
    length = number;
  }
  return length;
}

/**
 * Whether a request wants the connection for itself. Not for `h2c`: HTTP/2 begins with its preface here, and an upgrade
 * that is passed on would carry requests past the rules.
 */
export function wantsTunnel(head: Fields & { readonly method: string }): boolean {
  if (head.method === 'CONNECT') return true;
  const upgrade = fieldOf(head, 'upgrade');
  if (upgrade === undefined || hasToken(upgrade, 'h2c') || !hasToken(fieldOf(head, 'connection'), 'upgrade'))
    return false;
  return fieldOf(head, 'transfer-encoding') === undefined && (fieldOf(head, 'content-length') ?? '0') === '0';
}

/** @throws ProxyError where lengths conflict, or a transfer coding is unknown. */
export function requestBody(head: RequestHead): BodyKind {
  const body = framing(head) ?? NONE;
  if (head.method === 'CONNECT' && body.kind !== 'none') throw malformed('a body of CONNECT');
  return body;
}

/** What a message says of its body; undefined where it says nothing. */
function framing(head: Fields & { readonly minor: 0 | 1 }): BodyKind | undefined {
  const coding = fieldOf(head, 'transfer-encoding');
  const length = contentLength(head);
  if (coding !== undefined) {
    if (length !== undefined) throw malformed('both Transfer-Encoding and Content-Length');
    // No other coding was asked for (RFC 9110, section 10.1.4).
    if (coding.toLowerCase() !== 'chunked' || head.minor === 0) throw malformed(`Transfer-Encoding: ${coding}`);
    return { kind: 'chunked' };
  }
  if (length === undefined) return undefined;
  return length === 0 ? NONE : { kind: 'length', length };
}

/** `method` is that of the request. @throws ProxyError as `requestBody`. */
export function responseBody(head: ResponseHead, method: string): BodyKind {
  const { status } = head;
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return NONE;
  return framing(head) ?? { kind: 'close' };
}

/** Hears a body. */
export interface BodySink {
  bodyData(chunk: Buffer): void;
  bodyTrailers(headers: HeaderList): void;
}

/** The most bytes of a chunk's size line, and of all trailers. */
const MAX_CHUNK_LINE = 256;
const MAX_TRAILERS = 16 * 1024;

/** Takes a body out of what comes. Keeps at most a line of the chunked coding. */
export class BodyDecoder {
  done: boolean;
  private readonly kind: BodyKind['kind'];
  private readonly sink: BodySink;
  /** Bytes of the body or chunk that are still to come. */
  private left: number;
  private state: 'size' | 'data' | 'data-end' | 'trailers' = 'size';
  /** A line that isn't complete yet. */
  private partial = '';

  constructor(body: BodyKind, sink: BodySink) {
    this.kind = body.kind;
    this.sink = sink;
    this.left = body.kind === 'length' ? body.length : 0;
    this.done = body.kind === 'none';
  }

  /** Takes bytes from `from` on; gives the index of the first that is not the body's. @throws ProxyError */
  push(buffer: Buffer, from: number): number {
    if (this.done) return from;
    switch (this.kind) {
      case 'none':
        return from;
      case 'close':
        if (from < buffer.length) this.sink.bodyData(from === 0 ? buffer : buffer.subarray(from));
        return buffer.length;
      case 'length': {
        const end = this.take(buffer, from);
        if (this.left === 0) this.done = true;
        return end;
      }
      case 'chunked':
        return this.pushChunked(buffer, from);
    }
  }

  /** The connection has ended. True: so has the body. */
  end(): boolean {
    if (this.kind === 'close') this.done = true;
    return this.done;
  }

  private take(buffer: Buffer, from: number): number {
    const end = Math.min(buffer.length, from + this.left);
    if (end > from) {
      this.left -= end - from;
      this.sink.bodyData(from === 0 && end === buffer.length ? buffer : buffer.subarray(from, end));
    }
    return end;
  }

  private pushChunked(buffer: Buffer, from: number): number {
    let at = from;
    while (at < buffer.length && !this.done) {
      if (this.state === 'data') {
        at = this.take(buffer, at);
        if (this.left === 0) this.state = 'data-end';
        continue;
      }
      const limit = this.state === 'trailers' ? MAX_TRAILERS : MAX_CHUNK_LINE;
      const newline = buffer.indexOf(10, at);
      const end = newline < 0 ? buffer.length : newline + 1;
      if (this.partial.length + end - at > limit) throw new ProxyError('TOO_LARGE', 'a chunk header that is too long');
      this.partial += buffer.toString('latin1', at, end);
      at = end;
      if (newline >= 0) this.line();
    }
    return at;
  }

  /** A whole line (or, of trailers, all so far) is there. */
  private line(): void {
    const text = this.partial;
    if (!text.endsWith('\r\n')) throw malformed('a bare LF in the chunked coding');
    switch (this.state) {
      case 'size': {
        // Extensions are dropped; a size that doesn't fit a number exactly is no size.
        const match = /^([\da-f]{1,12})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n$/iu.exec(text);
        if (!match) throw malformed('the size of a chunk');
        this.left = parseInt(match[1] ?? '', 16);
        this.state = this.left === 0 ? 'trailers' : 'data';
        this.partial = '';
        break;
      }
      case 'data-end':
        if (text !== '\r\n') throw malformed('the end of a chunk');
        this.state = 'size';
        this.partial = '';
        break;
      case 'trailers': {
        if (text !== '\r\n' && !text.endsWith('\r\n\r\n')) return;
        const { names, values } = parseFields(text.slice(0, -2), 0);
        if (names.length > 0) this.sink.bodyTrailers(names.flatMap((name, index) => [name, values[index] ?? '']));
        this.done = true;
        break;
      }
      case 'data':
        break;
    }
  }
}

/** Whether it can stand in a message: a rewrite may have written anything. */
export function isField(name: string, value: string): boolean {
  return FIELD_NAME.test(name) && FIELD_VALUE.test(value);
}

/** Fields as text, each ended by CRLF. What can't stand in a field is left out. */
export function formatFields(headers: HeaderList): string {
  let text = '';
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] ?? '';
    const value = headers[index + 1] ?? '';
    if (isField(name, value)) text += `${name}: ${value}\r\n`;
  }
  return text;
}

/** The last chunk, with trailers. */
export function formatLastChunk(trailers: HeaderList): string {
  return `0\r\n${formatFields(trailerFields(trailers))}\r\n`;
}

/** The fields of a response, without a length that is not the body's. */
export function responseFields({ headers, altered }: Extract<Signal, { type: 'response' }>): HeaderList {
  if (!altered) return headers;
  return headers.filter((_, index) => headers[index & ~1]?.toLowerCase() !== 'content-length');
}

/** What may follow a body: nothing that says how a message is framed or routed (RFC 9110, section 6.5.1). */
export function trailerFields(trailers: HeaderList): HeaderList {
  return trailers.filter((_, index) => {
    const key = (trailers[index - (index % 2)] ?? '').toLowerCase();
    return key !== 'content-length' && key !== 'host' && key !== 'trailer' && !isHopByHop(key, undefined);
  });
}
