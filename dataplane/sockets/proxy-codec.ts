/**
 * The PROXY protocol, versions 1 and 2, as haproxy's doc/proxy-protocol.txt defines it: a header in front of a connection
 * that says who the client is.
 */
import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import { ProxyError } from '../../common/errors.ts';
import { type Ends, plainAddress } from './addresses.ts';

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** Signature, version and command, family and transport, length. */
const FIXED = 16;
/** The longest header of version 1, its CRLF included. */
const MAX_V1 = 107;
/** The most that addresses and TLVs of version 2 may take here; the protocol would allow 65,535. */
const MAX_V2 = 4096;

/** A header that was read. */
export interface ProxyHeader {
  readonly version: 1 | 2;
  /** Its length: payload follows. */
  readonly length: number;
  /** Undefined where the sender speaks for itself (LOCAL), or doesn't know (UNKNOWN). */
  readonly ends: Ends | undefined;
  /** Version 2: the type-length-values behind the addresses, in hexadecimal by type, as in `0x02`. */
  readonly tlvs: Readonly<Record<string, string>>;
}

/**
 * Reads a header from the start of a connection: `incomplete` where more bytes are needed, `absent` where it isn't one.
 *
 * @throws ProxyError `PROTOCOL_ERROR` where it begins like one and isn't.
 */
export function parseProxyHeader(bytes: Buffer): ProxyHeader | 'incomplete' | 'absent' {
  const common = Math.min(bytes.length, SIGNATURE.length);
  if (common > 0 && bytes.subarray(0, common).equals(SIGNATURE.subarray(0, common))) return parseV2(bytes);
  const start = bytes.toString('latin1', 0, 6);
  if (!'PROXY '.startsWith(start)) return 'absent';
  return start.length < 6 ? 'incomplete' : parseV1(bytes);
}

function parseV1(bytes: Buffer): ProxyHeader | 'incomplete' {
  const end = bytes.subarray(0, MAX_V1).indexOf('\r\n');
  if (end < 0) {
    if (bytes.length >= MAX_V1) throw malformed(`a line of at most ${MAX_V1} bytes`, 'a longer one');
    return 'incomplete';
  }
  const line = bytes.toString('latin1', 0, end);
  const [, family, src = '', dst = '', srcPort = '', dstPort = '', more] = line.split(' ');
  const length = end + 2;
  // Whatever else the line of an unknown client says is not to be believed.
  if (family === 'UNKNOWN') return { version: 1, length, ends: undefined, tlvs: {} };
  const valid = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : undefined;
  if (!valid?.(src) || !valid(dst) || line.includes('%') || more !== undefined) {
    throw malformed('TCP4 or TCP6 with two addresses and two ports, or UNKNOWN', JSON.stringify(line));
  }
  const ends = {
    srcAddress: canonical(src),
    srcPort: readPort(srcPort),
    dstAddress: canonical(dst),
    dstPort: readPort(dstPort),
  };
  return { version: 1, length, ends, tlvs: {} };
}

function readPort(text: string): number {
  const port = /^(0|[1-9]\d{0,4})$/u.test(text) ? Number(text) : NaN;
  if (!(port <= 65535)) throw malformed('a port from 0 to 65535', JSON.stringify(text));
  return port;
}

/** The bytes that addresses take, by address family: UNSPEC, INET, INET6, UNIX. */
const ADDRESS_BYTES: readonly number[] = [0, 12, 36, 216];

function parseV2(bytes: Buffer): ProxyHeader | 'incomplete' {
  // What is wrong already is not waited for: a sender that says little holds no connection.
  const versionCommand = bytes[12] ?? 0x20;
  if (versionCommand !== 0x20 && versionCommand !== 0x21) {
    throw malformed('version 2 with LOCAL or PROXY', `0x${versionCommand.toString(16)}`);
  }
  const protocol = bytes[13] ?? 0;
  const family = protocol >> 4;
  const size = ADDRESS_BYTES[family];
  if (size === undefined || (protocol & 15) > 2) throw malformed('a known protocol', `0x${protocol.toString(16)}`);
  if (bytes.length < FIXED) return 'incomplete';
  const rest = bytes.readUInt16BE(14);
  if (rest > MAX_V2) throw malformed(`at most ${MAX_V2} bytes`, String(rest));
  const length = FIXED + rest;
  const isProxied = versionCommand === 0x21;
  if (isProxied && rest < size) throw malformed(`${size} bytes of addresses`, String(rest));
  if (bytes.length < length) return 'incomplete';
  // Of what stands for no known address, nothing is to be believed, the TLVs included.
  if (!isProxied || family === 0) return { version: 2, length, ends: undefined, tlvs: {} };
  const ends = family === 1 ? readEnds(bytes, 4, ipv4) : family === 2 ? readEnds(bytes, 16, ipv6) : undefined;
  return { version: 2, length, ends, tlvs: readTlvs(bytes.subarray(FIXED + size, length)) };
}

function readEnds(bytes: Buffer, width: number, address: (part: Buffer) => string): Ends {
  const ports = FIXED + 2 * width;
  return {
    srcAddress: address(bytes.subarray(FIXED, FIXED + width)),
    dstAddress: address(bytes.subarray(FIXED + width, ports)),
    srcPort: bytes.readUInt16BE(ports),
    dstPort: bytes.readUInt16BE(ports + 2),
  };
}

function ipv4(part: Buffer): string {
  return part.join('.');
}

function ipv6(part: Buffer): string {
  return canonical(Array.from({ length: 8 }, (_, index) => part.readUInt16BE(index * 2).toString(16)).join(':'));
}

/** As the kernel would tell it: rules compare text. */
function canonical(address: string): string {
  return isIPv4(address) ? address : plainAddress(new SocketAddress({ address, family: 'ipv6' }).address);
}

function readTlvs(bytes: Buffer): Record<string, string> {
  const tlvs: Record<string, string> = {};
  for (let at = 0; at < bytes.length;) {
    const end = at + 3 + (at + 3 <= bytes.length ? bytes.readUInt16BE(at + 1) : 0);
    if (end > bytes.length) throw malformed('a whole TLV', `one cut short at ${at}`);
    tlvs[`0x${bytes.toString('hex', at, at + 1)}`] = bytes.toString('hex', at + 3, end);
    at = end;
  }
  return tlvs;
}

/** A header that says these ends; without them, or where they are no pair of one family, that the client is unknown. */
export function formatProxyHeader(version: 'v1' | 'v2', ends: Ends | undefined): Buffer {
  const pair = ends && addressPair(withoutZone(ends.srcAddress), withoutZone(ends.dstAddress));
  if (ends === undefined || pair === undefined) {
    return version === 'v1'
      ? Buffer.from('PROXY UNKNOWN\r\n')
      : Buffer.concat([SIGNATURE, Buffer.from([0x20, 0, 0, 0])]);
  }
  const { isV4, source, destination } = pair;
  const { srcPort, dstPort } = ends;
  if (version === 'v1') {
    return Buffer.from(`PROXY ${isV4 ? 'TCP4' : 'TCP6'} ${source} ${destination} ${srcPort} ${dstPort}\r\n`);
  }
  const size = isV4 ? 12 : 36;
  const header = Buffer.alloc(FIXED + size);
  SIGNATURE.copy(header);
  header.writeUInt32BE(isV4 ? 0x2111_0000 + size : 0x2121_0000 + size, 12);
  addressBytes(source).copy(header, FIXED);
  addressBytes(destination).copy(header, FIXED + (size - 4) / 2);
  header.writeUInt16BE(srcPort, FIXED + size - 4);
  header.writeUInt16BE(dstPort, FIXED + size - 2);
  return header;
}

/** Both in one family: an IPv4 address beside one of IPv6 is mapped into it. */
function addressPair(
  source: string,
  destination: string,
): { isV4: boolean; source: string; destination: string } | undefined {
  if (isIPv4(source) && isIPv4(destination)) return { isV4: true, source, destination };
  const map = (address: string): string => (isIPv4(address) ? `::ffff:${address}` : address);
  const mapped = { isV4: false, source: map(source), destination: map(destination) };
  return isIPv6(mapped.source) && isIPv6(mapped.destination) ? mapped : undefined;
}

/** The zone of a link-local address means nothing elsewhere. */
function withoutZone(address: string): string {
  return address.replace(/%.*$/u, '');
}

/** The bytes of an IP address in network order. */
function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const hexadecimal = address.replace(/[\d.]+$/u, (tail) => {
    return isIPv4(tail) ? addressBytes(tail).toString('hex').replace(/^.{4}/u, '$&:') : tail;
  });
  const [left = [], right = []] = hexadecimal.split('::').map((side) => side.split(':').filter(Boolean));
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  const bytes = Buffer.alloc(16);
  [...left, ...zeros, ...right].forEach((group, index) => bytes.writeUInt16BE(parseInt(group, 16), index * 2));
  return bytes;
}

function malformed(expected: string, found: string): ProxyError {
  return new ProxyError('PROTOCOL_ERROR', `malformed PROXY header: expected ${expected}, found ${found}`);
}
