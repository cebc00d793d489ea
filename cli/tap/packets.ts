/** IP packets with UDP and TCP headers (RFC 791, 8200, 768, 9293), checksums included. Pure. */
import { isIPv4 } from 'node:net';
import { bytesOf } from '../../dataplane/sockets/native/sockaddr.ts';

/** Payload that a packet carries: its beginning, and how long it was. */
export interface Piece {
  readonly bytes: Buffer;
  readonly length: number;
}

/** Of one family. */
export interface Endpoints {
  readonly source: { readonly address: string; readonly port: number };
  readonly destination: { readonly address: string; readonly port: number };
}

export interface Segment {
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly flags: number;
  /** Options of the header, a multiple of four bytes. */
  readonly options?: Buffer;
}

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;

const TCP = 6;
const UDP = 17;
const TTL = 64;

/** The largest IP packet, whose header says its length in 16 bits. */
const LARGEST = 0xffff;
/** What headers take of it, with room for options. */
const HEADERS = 40 + 20 + 40;

/** The most payload of one segment. */
export const MAX_SEGMENT = LARGEST - HEADERS;

/** A packet whose payload doesn't fit is shortened to what does. */
export function udpPacket(ends: Endpoints, { bytes, length }: Piece): Piece {
  const whole = Math.min(length, MAX_SEGMENT);
  const header = Buffer.alloc(8);
  header.writeUInt16BE(ends.source.port, 0);
  header.writeUInt16BE(ends.destination.port, 2);
  header.writeUInt16BE(8 + whole, 4);
  // Zero means none.
  return packet(ends, UDP, header, { bytes: bytes.subarray(0, whole), length: whole }, 6, 0xffff);
}

export function tcpPacket(ends: Endpoints, segment: Segment, payload: Piece): Piece {
  const { options = Buffer.alloc(0) } = segment;
  const header = Buffer.concat([Buffer.alloc(20), options]);
  header.writeUInt16BE(ends.source.port, 0);
  header.writeUInt16BE(ends.destination.port, 2);
  header.writeUInt32BE(segment.sequence, 4);
  header.writeUInt32BE((segment.flags & ACK) === 0 ? 0 : segment.acknowledgement, 8);
  header.writeUInt8((header.length / 4) << 4, 12);
  header.writeUInt8(segment.flags, 13);
  header.writeUInt16BE(0xffff, 14);
  return packet(ends, TCP, header, payload, 16, 0);
}

/** `zero`: what stands for a checksum of zero. */
function packet(
  { source, destination }: Endpoints,
  protocol: number,
  header: Buffer,
  { bytes, length }: Piece,
  checksumAt: number,
  zero: number,
): Piece {
  const addresses = Buffer.concat([bytesOf(source.address), bytesOf(destination.address)]);
  const size = header.length + length;
  const pseudo = Buffer.alloc(8);
  pseudo.writeUInt32BE(size, 0);
  pseudo.writeUInt8(protocol, 7);
  // Of a packet that isn't whole it is that of its beginning, followed by zeros: nobody can check it.
  header.writeUInt16BE(checksum(addresses, pseudo, header, bytes) || zero, checksumAt);
  const ip = isIPv4(source.address) ? ipv4Header(addresses, protocol, size) : ipv6Header(addresses, protocol, size);
  return { bytes: Buffer.concat([ip, header, bytes]), length: ip.length + size };
}

function ipv4Header(addresses: Buffer, protocol: number, size: number): Buffer {
  const header = Buffer.concat([Buffer.alloc(12), addresses]);
  header.writeUInt8(0x45, 0);
  header.writeUInt16BE(20 + size, 2);
  header.writeUInt16BE(0x4000, 6); // don't fragment
  header.writeUInt8(TTL, 8);
  header.writeUInt8(protocol, 9);
  header.writeUInt16BE(checksum(header), 10);
  return header;
}

function ipv6Header(addresses: Buffer, protocol: number, size: number): Buffer {
  const header = Buffer.concat([Buffer.alloc(8), addresses]);
  header.writeUInt8(0x60, 0);
  header.writeUInt16BE(size, 4);
  header.writeUInt8(protocol, 6);
  header.writeUInt8(TTL, 7);
  return header;
}

/** RFC 1071. Every part but the last has an even length. */
function checksum(...parts: readonly Buffer[]): number {
  let sum = 0;
  for (const part of parts) {
    const even = part.length & ~1;
    for (let at = 0; at < even; at += 2) sum += part.readUInt16BE(at);
    if (even < part.length) sum += part.readUInt8(even) << 8;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}
