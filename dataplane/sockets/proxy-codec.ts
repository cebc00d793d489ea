/**
 * The PROXY protocol, versions 1 and 2, as haproxy's doc/proxy-protocol.txt defines it: a header in front of a connection
 * that says who the client is.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { ProxyError } from '../core/errors.ts';
import type { Ends } from './addresses.ts';

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** The longest header of version 1, its CRLF included. */
const MAX_V1 = 107;
/** The most that addresses and TLVs of version 2 may take. */
const MAX_V2 = 16 + 4096;

/** A header that was read. */
export interface ProxyHeader {
  readonly version: 1 | 2;
  /** Its length: payload follows. */
  readonly length: number;
  /** Undefined where the sender speaks for itself (LOCAL), or doesn't know (UNKNOWN). */
  readonly ends: Ends | undefined;
  /** Version 2: the type-length-values behind the addresses, in hexadecimal by type. */
  readonly tlvs: Readonly<Record<string, string>>;
}

const malformed = (what: string): ProxyError => new ProxyError('PROTOCOL_ERROR', `malformed PROXY header: ${what}`);

/**
 * Reads a header from the start of a connection: `incomplete` where more bytes are needed, `absent` where it isn't one.
 *
 * @throws ProxyError `PROTOCOL_ERROR` where it begins like one and isn't.
 */
export function parseProxyHeader(bytes: Buffer): ProxyHeader | 'incomplete' | 'absent' {
  const common = Math.min(bytes.length, SIGNATURE.length);
  if (common > 0 && bytes.subarray(0, common).equals(SIGNATURE.subarray(0, common))) {
    return bytes.length < 16 ? 'incomplete' : parseV2(bytes);
  }
  const start = bytes.toString('latin1', 0, 6);
  if (!'PROXY '.startsWith(start.slice(0, bytes.length))) return 'absent';
  return bytes.length < 6 ? 'incomplete' : parseV1(bytes);
}

function parseV1(bytes: Buffer): ProxyHeader | 'incomplete' {
  const end = bytes.subarray(0, MAX_V1).indexOf('\r\n');
  if (end < 0) {
    if (bytes.length >= MAX_V1) throw malformed('no end of line');
    return 'incomplete';
  }
  const [, family, srcAddress = '', dstAddress = '', src = '', dst = '', more] = bytes
    .toString('latin1', 0, end)
    .split(' ');
  const length = end + 2;
  if (family === 'UNKNOWN') return { version: 1, length, ends: undefined, tlvs: {} };
  const valid = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : undefined;
  if (!valid?.(srcAddress) || !valid(dstAddress) || more !== undefined) throw malformed('the addresses');
  return { version: 1, length, ends: { srcAddress, srcPort: port(src), dstAddress, dstPort: port(dst) }, tlvs: {} };
}

function port(text: string): number {
  const number = /^(0|[1-9]\d{0,4})$/u.test(text) ? Number(text) : NaN;
  if (!(number <= 65535)) throw malformed(`the port "${text}"`);
  return number;
}

function parseV2(bytes: Buffer): ProxyHeader | 'incomplete' {
  const versionCommand = bytes.readUInt8(12);
  const family = bytes.readUInt8(13);
  const length = 16 + bytes.readUInt16BE(14);
  if (versionCommand >> 4 !== 2 || (versionCommand & 15) > 1) throw malformed('the version or command');
  if (length > MAX_V2) throw malformed(`${length} bytes`);
  if (bytes.length < length) return 'incomplete';
  const local = (versionCommand & 15) === 0;
  const size = { 1: 12, 2: 36, 3: 216 }[family >> 4] ?? 0;
  if (!local && 16 + size > length) throw malformed('the addresses are cut short');
  const ends = local ? undefined : readEnds(bytes, family >> 4);
  return { version: 2, length, ends, tlvs: local ? {} : readTlvs(bytes.subarray(16 + size, length)) };
}

function readEnds(bytes: Buffer, family: number): Ends | undefined {
  if (family !== 1 && family !== 2) return undefined; // UNSPEC, UNIX
  const width = family === 1 ? 4 : 16;
  const address = (at: number): string => {
    const part = bytes.subarray(at, at + width);
    if (family === 1) return part.join('.');
    return Array.from({ length: 8 }, (_, index) => part.readUInt16BE(index * 2).toString(16)).join(':');
  };
  const ports = 16 + 2 * width;
  return {
    srcAddress: address(16),
    dstAddress: address(16 + width),
    srcPort: bytes.readUInt16BE(ports),
    dstPort: bytes.readUInt16BE(ports + 2),
  };
}

function readTlvs(bytes: Buffer): Record<string, string> {
  const tlvs: Record<string, string> = {};
  for (let at = 0; at < bytes.length;) {
    if (at + 3 > bytes.length) throw malformed('a TLV is cut short');
    const end = at + 3 + bytes.readUInt16BE(at + 1);
    if (end > bytes.length) throw malformed('a TLV is cut short');
    tlvs[`0x${bytes.toString('hex', at, at + 1)}`] = bytes.toString('hex', at + 3, end);
    at = end;
  }
  return tlvs;
}

/** A header that says these ends; without them, that the client is unknown. */
export function formatProxyHeader(version: 'v1' | 'v2', ends: Ends | undefined): Buffer {
  const v4 = ends !== undefined && isIPv4(ends.srcAddress) && isIPv4(ends.dstAddress);
  const v6 = ends !== undefined && isIPv6(ends.srcAddress) && isIPv6(ends.dstAddress);
  if (version === 'v1') {
    if (!v4 && !v6) return Buffer.from('PROXY UNKNOWN\r\n');
    const { srcAddress, dstAddress, srcPort, dstPort } = ends;
    return Buffer.from(`PROXY ${v4 ? 'TCP4' : 'TCP6'} ${srcAddress} ${dstAddress} ${srcPort} ${dstPort}\r\n`);
  }
  if (!v4 && !v6) return Buffer.concat([SIGNATURE, Buffer.from([0x20, 0, 0, 0])]);
  const addresses = Buffer.concat([addressBytes(ends.srcAddress), addressBytes(ends.dstAddress), Buffer.alloc(4)]);
  addresses.writeUInt16BE(ends.srcPort, addresses.length - 4);
  addresses.writeUInt16BE(ends.dstPort, addresses.length - 2);
  return Buffer.concat([SIGNATURE, Buffer.from([0x21, v4 ? 0x11 : 0x21, 0, addresses.length]), addresses]);
}

/** The bytes of an IP address in network order. */
function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const plain = address.replace(/%.*$/u, '').replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/u, (_, a, b, c, d) => {
    return `${(Number(a) * 256 + Number(b)).toString(16)}:${(Number(c) * 256 + Number(d)).toString(16)}`;
  });
  const [head = '', tail] = plain.split('::');
  const groups = (text: string | undefined): string[] => (text === undefined || text === '' ? [] : text.split(':'));
  const left = groups(head);
  const right = groups(tail);
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  const bytes = Buffer.alloc(16);
  [...left, ...zeros, ...right].forEach((group, index) => bytes.writeUInt16BE(parseInt(group, 16), index * 2));
  return bytes;
}
