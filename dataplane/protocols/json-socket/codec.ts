/**
 * JSONSocket, version 1: the headers that stand before the payload.
 *
 * ```
 *   client ── {"JSONSocketVersion": 1, …} ──────────────────────────────────────▶ server
 *   client ◀── {"JSONSocketVersion": 1, "JSONSocketStatus": 200, "JSONSocketMessage": "OK"} ── server
 *   client ◀═══════════════════════ payload, as it is ══════════════════════════▶ server
 * ```
 */
import type { Json, JsonSocketHeader } from '../../../gen/l7mp/config/v1/types.ts';
import { isJsonObject, type JsonObject } from '../../../common/json.ts';
import { isSpace, MAX_DEPTH, ObjectScanner } from '../../../common/json-objects.ts';
import { getAt, parsePointer, setAt } from '../../../common/json-pointer.ts';
import { readTraceContext, type TraceContext, traceFields } from '../../../common/telemetry/trace-context.ts';
import type { Metadata } from '../../core/session.ts';
import type { Framing } from '../../core/stream.ts';

export const VERSION = 1;

export type Header = JsonObject;

/** What a server says to a header. */
export interface Answer {
  readonly status: number;
  readonly message: string;
}

/** A header; or what is wrong with it, as the answer to it. */
export type Parsed = { readonly header: Header; readonly refusal?: never } | { readonly refusal: Answer };

/** A header with its bytes, and what came behind it; or what is wrong with it. */
export type Received =
  | { readonly header: Header; readonly bytes: Buffer; readonly rest: Buffer; readonly refusal?: never }
  | { readonly refusal: Answer };

/**
 * Takes the first message of a stream. On a byte stream that is the first JSON object, wherever chunks end; what
 * stands behind it is payload.
 */
export class HeaderReader {
  private readonly framing: Framing;
  private readonly maxBytes: number;
  private readonly parse: (bytes: Buffer) => Parsed;
  private scanner: ObjectScanner | undefined;
  private parts: Buffer[] = [];
  private length = 0;

  /** `parse` tells headers from what is none: `parseRequest` or `parseResponse`. */
  constructor(framing: Framing, maxBytes: number, parse: (bytes: Buffer) => Parsed) {
    this.framing = framing;
    this.maxBytes = maxBytes;
    this.parse = parse;
  }

  /** Undefined while the header goes on. Not called again after it gave something. */
  push(chunk: Buffer): Received | undefined {
    let start = 0;
    if (this.scanner === undefined) {
      while (start < chunk.length && isSpace(chunk[start])) start++;
      if (start === chunk.length && this.framing === 'bytes') return undefined;
      if (chunk[start] !== OBJECT) return { refusal: badRequest('expected a JSON object') };
      this.scanner = new ObjectScanner();
    }
    const end = this.scanner.scan(chunk, start);
    const part = chunk.subarray(start, end < 0 ? chunk.length : end);
    this.length += part.length;
    if (this.length > this.maxBytes) return { refusal: badRequest(`expected at most ${this.maxBytes} bytes`) };
    if (this.scanner.tooDeep) return { refusal: badRequest(`expected at most ${MAX_DEPTH} levels of nesting`) };
    if (end < 0 && this.framing === 'bytes') {
      this.parts.push(part);
      return undefined;
    }
    // A datagram is the header as a whole: what stands behind the object makes it none.
    const bytes = this.framing === 'datagrams' ? chunk : Buffer.concat([...this.parts, part]);
    const parsed = this.parse(bytes);
    if (parsed.refusal) return parsed;
    return { header: parsed.header, bytes, rest: chunk.subarray(bytes === chunk ? chunk.length : end) };
  }
}

const OBJECT = 0x7b;

/** A client's header; or the answer to what is none: 400, or 505 for a later version. */
export function parseRequest(bytes: Buffer): Parsed {
  const header = parseObject(bytes);
  if (header === undefined) return { refusal: badRequest('expected a JSON object') };
  const version = header['JSONSocketVersion'];
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 1) {
    return { refusal: badRequest(`expected JSONSocketVersion ${VERSION}, found ${describe(version)}`) };
  }
  if (version === VERSION) return { header };
  return { refusal: { status: 505, message: `Version Not Supported: expected ${VERSION}, found ${version}` } };
}

/** A server's header, with a status of 2xx. A server that says no is a refusal; so is, as 400, what is no answer. */
export function parseResponse(bytes: Buffer): Parsed {
  const header = parseObject(bytes);
  if (header === undefined) return { refusal: badRequest('expected a JSON object') };
  const { JSONSocketVersion: version, JSONSocketStatus: status, JSONSocketMessage: text } = header;
  if (version !== VERSION) {
    return { refusal: badRequest(`expected JSONSocketVersion ${VERSION}, found ${describe(version)}`) };
  }
  if (typeof status !== 'number' || !Number.isInteger(status) || status < 100 || status > 599) {
    return { refusal: badRequest(`expected a JSONSocketStatus, found ${describe(status)}`) };
  }
  if (status >= 200 && status <= 299) return { header };
  return { refusal: { status, message: typeof text === 'string' ? text.slice(0, 200) : '' } };
}

/** The server's header. */
export function encodeAnswer({ status, message }: Answer): Buffer {
  const header = { JSONSocketVersion: VERSION, JSONSocketStatus: status, JSONSocketMessage: message };
  return Buffer.from(JSON.stringify(header));
}

/** Makes a session's header. Its trace stands in members named as HTTP's fields: `traceparent`, `tracestate`, `baggage`. */
export type HeaderBuilder = (metadata: Metadata, trace?: TraceContext) => Buffer;

/** Reads a cluster's `header` once. @throws SyntaxError where a pointer isn't one. */
export function createHeaderBuilder(spec: readonly JsonSocketHeader[]): HeaderBuilder {
  const steps = spec.flatMap(({ path, set }) => [
    ...(path ? [copyStep(path.from, path.to)] : []),
    ...(set ? [setStep(set.key, set.value)] : []),
  ]);
  return (metadata, trace) => {
    const header: Header = {};
    for (const step of steps) step(header, metadata);
    if (trace) Object.assign(header, traceFields(trace));
    header['JSONSocketVersion'] = VERSION;
    return Buffer.from(JSON.stringify(header));
  };
}

/** The trace that a client's header says. */
export function traceOfHeader(metadata: Metadata): TraceContext | undefined {
  const header = metadata['JSONSocket'];
  return isJsonObject(header) ? readTraceContext(header) : undefined;
}

type Step = (header: Header, metadata: Metadata) => void;

function copyStep(from: string, to: string | undefined): Step {
  const source = readPointer(from);
  const target = to === undefined ? [] : readPointer(to);
  return (header, metadata) => {
    const value = getAt(metadata, source);
    if (value === undefined) return;
    const copy = structuredClone(value);
    if (target.length > 0) setAt(header, target, copy);
    else if (isJsonObject(copy)) mergeInto(header, copy);
    else setAt(header, source, copy);
  };
}

function setStep(key: string, value: Json | undefined): Step {
  const target = readPointer(key);
  return (header) => {
    if (value === undefined) return;
    const copy = structuredClone(value);
    if (target.length > 0) setAt(header, target, copy);
    else if (isJsonObject(copy)) mergeInto(header, copy);
  };
}

/** As RFC 6901, and as l7mp's users write them: `/` is the whole, and the first slash may be missing. */
function readPointer(pointer: string): readonly string[] {
  return pointer === '/' ? [] : parsePointer(pointer === '' || pointer.startsWith('/') ? pointer : `/${pointer}`);
}

function mergeInto(header: Header, value: Header): void {
  for (const [key, member] of Object.entries(value)) setAt(header, [key], member);
}

function parseObject(bytes: Buffer): Header | undefined {
  try {
    const value = JSON.parse(bytes.toString()) as Json;
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function badRequest(message: string): Answer {
  return { status: 400, message: `Bad Request: ${message}` };
}

function describe(value: Json | undefined): string {
  return value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 40);
}
