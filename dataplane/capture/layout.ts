/** Structures that the program that captures shares with us (ebpf/capture.h). */
import { isIPv4 } from 'node:net';
import type { CaptureDirection, CapturePlace } from '../core/capture.ts';
import { compareLayout } from '../kernel/object-file.ts';
import { encodeInet } from '../sockets/native/sockaddr.ts';

export const ENDS = {
  size: 40,
  transport: 0,
  six: 1,
  localPort: 4,
  remotePort: 6,
  local: 8,
  remote: 24,
} as const;
export const OTHER = { size: 8, kind: 0, localPort: 2, remotePort: 4 } as const;
export const SETTINGS = { size: 8, cgroup: 0 } as const;
export const PLACE = { size: 20, address: 0, port: 16, lane: 18, six: 19 } as const;
/** Of a port. */
export const DOOR_SIZE = 2;
export const PORTS_SIZE = 65_536;
export const PREFIX = { size: 24, length: 0, direction: 4, address: 8 } as const;

/** OUTBOUND and INBOUND. */
export const DIRECTIONS: readonly CaptureDirection[] = ['outbound', 'inbound'];
/** In the order of LANE. */
export const TRANSPORTS = ['tcp', 'udp'] as const;
const PROTOCOLS = { tcp: 6, udp: 17 } as const;
/** PROXY_OUT and PROXY_IN, by direction. */
const KINDS = { outbound: 4, inbound: 6 } as const;

/** `found`: the section .layout. @throws ProxyError where it differs */
export function checkLayout(found: Buffer): void {
  compareLayout('ebpf/capture.h', [ENDS, OTHER, SETTINGS, { size: PORTS_SIZE }, PREFIX, PLACE], found);
}

/** The bit of a port, and a part of places. */
export function laneOf(direction: CaptureDirection, transport: 'tcp' | 'udp'): number {
  return DIRECTIONS.indexOf(direction) * 2 + TRANSPORTS.indexOf(transport);
}

/** `struct ends`; both addresses are of one family. */
export function encodeEnds(transport: 'tcp' | 'udp', local: CapturePlace, remote: CapturePlace): Buffer {
  const bytes = Buffer.alloc(ENDS.size);
  bytes.writeUInt8(PROTOCOLS[transport], ENDS.transport);
  bytes.writeUInt8(isIPv4(local.address) ? 0 : 1, ENDS.six);
  bytes.writeUInt16BE(local.port, ENDS.localPort);
  bytes.writeUInt16BE(remote.port, ENDS.remotePort);
  addressBytes(local.address).copy(bytes, ENDS.local);
  addressBytes(remote.address).copy(bytes, ENDS.remote);
  return bytes;
}

/** The ports of a `struct other` of what a listener of this direction sees; undefined: it is of another kind. */
export function decodeOther(bytes: Buffer, direction: CaptureDirection): { local: number; remote: number } | undefined {
  if (bytes.readUInt8(OTHER.kind) !== KINDS[direction]) return undefined;
  return { local: bytes.readUInt16BE(OTHER.localPort), remote: bytes.readUInt16BE(OTHER.remotePort) };
}

/** `struct prefix`: IPv4 is mapped. */
export function encodePrefix(direction: CaptureDirection, address: string, bits: number): Buffer {
  const bytes = Buffer.alloc(PREFIX.size);
  const isShort = isIPv4(address);
  bytes.writeUInt32LE(32 + bits + (isShort ? 96 : 0), PREFIX.length);
  bytes.writeUInt32BE(DIRECTIONS.indexOf(direction), PREFIX.direction);
  if (isShort) bytes.writeUInt16BE(0xffff, PREFIX.address + 10);
  addressBytes(address).copy(bytes, PREFIX.address + (isShort ? 12 : 0));
  return bytes;
}

/** `struct place`; an address of zeros is every one, and a port of 0, too. */
export function encodePlace(lane: number, { address, port }: CapturePlace): Buffer {
  const bytes = Buffer.alloc(PLACE.size);
  addressBytes(address).copy(bytes, PLACE.address);
  bytes.writeUInt16BE(port, PLACE.port);
  bytes.writeUInt8(lane, PLACE.lane);
  bytes.writeUInt8(isIPv4(address) ? 0 : 1, PLACE.six);
  return bytes;
}

function addressBytes(address: string): Buffer {
  const bytes = encodeInet(address.split('%')[0] ?? '', 0);
  return isIPv4(address) ? bytes.subarray(4, 8) : bytes.subarray(8, 24);
}
