/** Socket addresses as the kernel has them: `struct sockaddr_un`, `_in`, `_in6`, `_ll`. Pure: bytes in, bytes out. */
import { isIPv4, isIPv6 } from 'node:net';
import { ProxyError } from '../../../common/errors.ts';
import { plainAddress } from '../addresses.ts';

const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_PACKET = 17;

/** `struct sockaddr_un` (uapi/linux/un.h): the family, and 108 bytes of path. */
export const UNIX_SIZE = 110;
/** `struct sockaddr_in` (uapi/linux/in.h). */
export const INET_SIZE = 16;
/** `struct sockaddr_in6` (uapi/linux/in6.h). */
export const INET6_SIZE = 28;
/** `struct sockaddr_ll` (uapi/linux/if_packet.h). */
export const LINK_SIZE = 20;

/** The longest link-layer address that `struct sockaddr_ll` holds, in bytes. */
const MAX_LINK_ADDRESS = 8;

/** Bound with it, a socket is given an abstract name by the kernel (unix(7), autobind). */
export const AUTOBIND = encodeFamily(AF_UNIX, 2);

function encodeFamily(family: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.writeUInt16LE(family);
  return bytes;
}

/**
 * A path, which ends with a zero, or, after `@`, an abstract name, which is as long as the address says (unix(7)).
 *
 * @throws ProxyError `INVALID_CONFIG` where it doesn't fit.
 */
export function encodeUnix(path: string): Buffer {
  const abstract = path.startsWith('@');
  const name = Buffer.from(abstract ? path.slice(1) : path);
  const size = 2 + name.length + 1;
  if (name.length === 0 || size > UNIX_SIZE || path.includes('\0')) {
    throw new ProxyError('INVALID_CONFIG', `expected a path of 1 to ${UNIX_SIZE - 3} bytes, found ${name.length}`);
  }
  const bytes = encodeFamily(AF_UNIX, size);
  name.copy(bytes, abstract ? 3 : 2);
  return bytes;
}

/** A path, `@` and an abstract name, or an empty string for a socket without a name. */
export function decodeUnix(bytes: Buffer): string {
  if (bytes.length <= 2) return '';
  if (bytes[2] === 0) return `@${bytes.toString('utf8', 3)}`;
  const end = bytes.indexOf(0, 2);
  return bytes.toString('utf8', 2, end < 0 ? bytes.length : end);
}

/**
 * An IP address and a port. `scopeOf` gives the number of a zone (the `eth0` of `fe80::1%eth0`).
 *
 * @throws ProxyError `INVALID_CONFIG` where it is no IP address.
 */
export function encodeInet(address: string, port: number, scopeOf: (zone: string) => number = Number): Buffer {
  if (isIPv4(address)) {
    const bytes = encodeFamily(AF_INET, INET_SIZE);
    bytes.writeUInt16BE(port, 2);
    writeIPv4(bytes, address, 4);
    return bytes;
  }
  if (!isIPv6(address)) throw new ProxyError('INVALID_CONFIG', `expected an IP address, found "${address}"`);
  const [plain = '', zone] = address.split('%');
  const bytes = encodeFamily(AF_INET6, INET6_SIZE);
  bytes.writeUInt16BE(port, 2);
  writeIPv6(bytes, plain, 8);
  if (zone !== undefined) bytes.writeUInt32LE(scopeOf(zone) || 0, 24);
  return bytes;
}

/** An IP address as packets have it: four bytes, or sixteen. */
export function bytesOf(address: string): Buffer {
  const name = encodeInet(address, 0);
  return isIPv4(address) ? name.subarray(4, 8) : name.subarray(8, 24);
}

function writeIPv4(bytes: Buffer, address: string, offset: number): void {
  for (const part of address.split('.')) bytes.writeUInt8(Number(part), offset++);
}

/** RFC 4291, section 2.2; `address` is valid. */
function writeIPv6(bytes: Buffer, address: string, offset: number): void {
  const [head = '', tail] = address.split('::');
  const write = (groups: readonly string[], at: number): void => {
    for (const group of groups) {
      if (group.includes('.')) writeIPv4(bytes, group, at);
      else bytes.writeUInt16BE(parseInt(group, 16), at);
      at += 2;
    }
  };
  const groupsOf = (text: string): string[] => (text === '' ? [] : text.split(':'));
  write(groupsOf(head), offset);
  if (tail === undefined) return;
  const groups = groupsOf(tail);
  write(groups, offset + 16 - 2 * groups.length - (tail.includes('.') ? 2 : 0));
}

/** The address (an IPv4 address of a dual-stack socket by its plain form) and port; undefined where it is neither. */
export function decodeInet(bytes: Buffer): { readonly address: string; readonly port: number } | undefined {
  if (bytes.length < 4) return undefined;
  const family = bytes.readUInt16LE(0);
  const port = bytes.readUInt16BE(2);
  if (family === AF_INET && bytes.length >= INET_SIZE) return { address: formatIP(bytes.subarray(4, 8)), port };
  if (family !== AF_INET6 || bytes.length < INET6_SIZE) return undefined;
  const address = formatIP(bytes.subarray(8, 24));
  const scope = bytes.readUInt32LE(24);
  return { address: scope === 0 || !address.includes(':') ? address : `${address}%${scope}`, port };
}

/** An address of 4 or 16 bytes; an IPv4 address of IPv6 by its plain form. */
export function formatIP(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const mapped = bytes.readUInt32BE(8) === 0xffff && bytes.readBigUInt64BE(0) === 0n;
  if (mapped) return plainAddress(`::ffff:${bytes.subarray(12).join('.')}`);
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16));
  // URLs are written in the short form (RFC 5952).
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

/** A place on the link layer. */
export interface LinkAddress {
  /** The interface's index. */
  readonly index: number;
  /** The EtherType. */
  readonly protocol: number;
  /** The station; none where one receives. */
  readonly address?: Buffer;
}

export function encodeLink({ index, protocol, address = Buffer.alloc(0) }: LinkAddress): Buffer {
  const bytes = encodeFamily(AF_PACKET, LINK_SIZE);
  bytes.writeUInt16BE(protocol, 2);
  bytes.writeInt32LE(index, 4);
  bytes.writeUInt8(Math.min(address.length, MAX_LINK_ADDRESS), 11);
  address.copy(bytes, 12, 0, MAX_LINK_ADDRESS);
  return bytes;
}

/** `02:00:00:00:00:01` in bytes. @throws ProxyError `INVALID_CONFIG` */
export function parseLinkAddress(text: string): Buffer {
  if (/^[0-9a-f]{1,2}(?:[:-][0-9a-f]{1,2}){5}$/iu.test(text)) {
    return Buffer.from(text.split(/[:-]/u).map((byte) => parseInt(byte, 16)));
  }
  throw new ProxyError('INVALID_CONFIG', `expected a link-layer address as in 02:00:00:00:00:01, found "${text}"`);
}
