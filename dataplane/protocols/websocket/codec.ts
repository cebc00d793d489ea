/** What a handshake and close frames may say (RFC 6455), and where text may be cut. */
import type { IncomingHttpHeaders } from 'node:http';

/** A token of RFC 9110, section 5.6.2: what a subprotocol's name is. */
const TOKEN = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/u;
/** 16 bytes in base64 (section 4.2.1). */
const KEY = /^[+/\dA-Za-z]{22}==$/u;

/** No status code was in the close frame (section 7.1.5). */
export const NO_STATUS = 1005;
/** There was no close frame. */
export const ABNORMAL = 1006;

/** Why a request is no handshake. */
export interface HandshakeFault {
  readonly status: number;
  readonly expected: string;
  /** Header fields of the answer. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What is wrong with the client's part of the handshake (section 4.2.1); undefined where nothing is. */
export function handshakeFault(method: string | undefined, headers: IncomingHttpHeaders): HandshakeFault | undefined {
  if (headers.upgrade?.toLowerCase() !== 'websocket') {
    return { status: 426, expected: 'a WebSocket', headers: { upgrade: 'websocket' } };
  }
  if (method !== 'GET') return { status: 405, expected: 'the method GET', headers: { allow: 'GET' } };
  if (headers['sec-websocket-version'] !== '13') {
    return { status: 426, expected: 'version 13', headers: { upgrade: 'websocket', 'sec-websocket-version': '13' } };
  }
  if (!KEY.test(headers['sec-websocket-key'] ?? ''))
    return { status: 400, expected: 'a Sec-WebSocket-Key of 16 bytes' };
  if (subprotocolsOf(headers['sec-websocket-protocol']) === undefined) {
    return { status: 400, expected: 'names of subprotocols, each once' };
  }
  return undefined;
}

/** The subprotocols that a client offers, the most wanted first. Undefined where the field is malformed (section 4.1). */
export function subprotocolsOf(field: string | undefined): string[] | undefined {
  if (field === undefined) return [];
  const names = field.split(',').map((name) => name.trim());
  return names.every((name) => TOKEN.test(name)) && new Set(names).size === names.length ? names : undefined;
}

/** Whether a code may stand in a close frame (section 7.4). */
export function isSendable(code: number): boolean {
  return (code >= 1000 && code <= 1014 && code !== 1004 && code !== NO_STATUS && code !== ABNORMAL) || isPrivate(code);
}

function isPrivate(code: number): boolean {
  return code >= 3000 && code <= 4999;
}

/** As much of a reason as a close frame takes (123 bytes, section 5.5), and no half character. */
export function truncateReason(message: string): string {
  const bytes = Buffer.from(message);
  return bytes.length <= 123 ? message : bytes.toString('utf8', 0, completeLength(bytes.subarray(0, 123)));
}

/** How much of UTF-8 text is whole characters: up to three bytes of one may be cut off at its end. */
export function completeLength(bytes: Buffer): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return bytes.length;
    if (byte < 0xc0) continue;
    const size = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    return size > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
