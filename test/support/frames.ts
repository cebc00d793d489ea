/** Packets from nothing, with checksums by a way of their own. */
import type { Ends } from '../../dataplane/offload/layout.ts';
import { encodeInet } from '../../dataplane/sockets/native/sockaddr.ts';

export function ends(source: string, sourcePort: number, destination: string, destinationPort: number): Ends {
  return {
    source: { address: source, port: sourcePort },
    destination: { address: destination, port: destinationPort },
  };
}

function bytesOf(address: string): Buffer {
  const name = encodeInet(address, 0);
  return address.includes(':') ? name.subarray(8, 24) : name.subarray(4, 8);
}

/** The Internet checksum (RFC 1071), as it is written down there: over big-endian words. */
export function checksum(...parts: readonly Buffer[]): number {
  const bytes = Buffer.concat([...parts, Buffer.alloc(parts.reduce((sum, { length }) => sum + length, 0) % 2)]);
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return 0xffff - sum;
}

export function pseudoHeader({ source, destination }: Ends, protocol: number, length: number): Buffer {
  const tail = Buffer.alloc(8);
  tail.writeUInt32BE(length, 0);
  tail.writeUInt8(protocol, 7);
  return Buffer.concat([bytesOf(source.address), bytesOf(destination.address), tail]);
}

export interface IpHead {
  readonly protocol: number;
  readonly ttl: number;
  readonly tos: number;
  readonly macs: Buffer;
}

/** An Ethernet frame with IP of this content. */
export function ipFrame(at: Ends, { protocol, ttl, tos, macs }: IpHead, content: Buffer): Buffer {
  const isSix = at.source.address.includes(':');
  const addresses = Buffer.concat([bytesOf(at.source.address), bytesOf(at.destination.address)]);
  const head = Buffer.alloc(isSix ? 8 : 12);
  if (isSix) {
    head.writeUInt32BE(0x60000000 + tos * 0x100000, 0);
    head.writeUInt16BE(content.length, 4);
    head.writeUInt8(protocol, 6);
    head.writeUInt8(ttl, 7);
  } else {
    head.writeUInt8(0x45, 0);
    head.writeUInt8(tos, 1);
    head.writeUInt16BE(20 + content.length, 2);
    head.writeUInt16BE(0x4000, 6);
    head.writeUInt8(ttl, 8);
    head.writeUInt8(protocol, 9);
    head.writeUInt16BE(checksum(head, addresses), 10);
  }
  const type = Buffer.from(isSix ? [0x86, 0xdd] : [0x08, 0x00]);
  return Buffer.concat([macs, type, head, addresses, content]);
}

const UDP = 17;

export interface UdpShape {
  readonly ttl?: number;
  readonly tos?: number;
  readonly payload?: Buffer;
  readonly noCheck?: boolean;
  readonly macs?: Buffer;
}

/** A whole frame with a datagram. */
export function udpFrame(
  at: Ends,
  { ttl = 64, tos = 0, payload = Buffer.from('payload'), noCheck = false, macs = Buffer.alloc(12) }: UdpShape = {},
): Buffer {
  const udp = Buffer.alloc(8);
  udp.writeUInt16BE(at.source.port, 0);
  udp.writeUInt16BE(at.destination.port, 2);
  udp.writeUInt16BE(8 + payload.length, 4);
  const length = 8 + payload.length;
  if (!noCheck) udp.writeUInt16BE(checksum(pseudoHeader(at, UDP, length), udp, payload) || 0xffff, 6);
  return ipFrame(at, { protocol: UDP, ttl, tos, macs }, Buffer.concat([udp, payload]));
}

/** A copy with something changed. */
export function changed(packet: Buffer, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(packet);
  change(copy);
  return copy;
}
