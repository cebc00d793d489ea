/** Structures that the kernel's programs share with us (ebpf/flow.h), and the checksums that they want done in advance. */
import { isIPv4 } from 'node:net';
import { ProxyError } from '../../common/errors.ts';
import { encodeInet } from '../sockets/native/sockaddr.ts';

export const KEY = {
  size: 40,
  transport: 0,
  family: 1,
  sourcePort: 4,
  destinationPort: 6,
  source: 8,
  destination: 24,
} as const;

export const FLOW = {
  size: 120,
  key: 0,
  source: 40,
  destination: 56,
  sourcePort: 72,
  destinationPort: 74,
  family: 76,
  way: 77,
  interface: 80,
  mtu: 84,
  addressDelta: 88,
  portDelta: 92,
  tailDelta: 96,
  ethernet: 102,
  etherType: 114,
} as const;

export const COUNTERS = { size: 24, packets: 0, bytes: 8, lastSeen: 16 } as const;

const IPPROTO_UDP = 17;
const ETHER_TYPE = { 4: 0x0800, 6: 0x86dd } as const;
const WAY_REDIRECT = 1;

/** Fails where the programs were built with other layouts: `found` is their section .layout. @throws ProxyError */
export function checkLayout(found: Buffer): void {
  const ours = [KEY, FLOW, COUNTERS].flatMap((structure) => Object.values(structure));
  const theirs = Array.from({ length: found.length / 4 }, (_, index) => found.readUInt32LE(4 * index));
  if (ours.join() === theirs.join()) return;
  throw new ProxyError('INTERNAL', `layouts of ebpf/flow.h: expected ${ours.join(' ')}, found ${theirs.join(' ')}`);
}

/** A packet's ends. */
export interface Ends {
  readonly source: Place;
  readonly destination: Place;
}

interface Place {
  readonly address: string;
  readonly port: number;
}

/** How packets leave. */
export interface Way {
  readonly ifindex: number;
  /** Whether they stay on the host. */
  readonly isLoopback: boolean;
  /** Of the IP packet. */
  readonly mtu: number;
  /** Destination and source. */
  readonly ethernet: Buffer;
}

export function familyOf(address: string): 4 | 6 {
  return isIPv4(address) ? 4 : 6;
}

export function bytesOf(address: string): Buffer {
  const name = encodeInet(address, 0);
  return isIPv4(address) ? name.subarray(4, 8) : name.subarray(8, 24);
}

/** `struct flow_key` */
export function encodeKey({ source, destination }: Ends): Buffer {
  const key = Buffer.alloc(KEY.size);
  key.writeUInt8(IPPROTO_UDP, KEY.transport);
  key.writeUInt8(familyOf(source.address), KEY.family);
  key.writeUInt16BE(source.port, KEY.sourcePort);
  key.writeUInt16BE(destination.port, KEY.destinationPort);
  bytesOf(source.address).copy(key, KEY.source);
  bytesOf(destination.address).copy(key, KEY.destination);
  return key;
}

/** `struct flow`: packets from and to `before` become those of `after`. `goesUp`: they stay where they came in, on lo. */
export function encodeFlow(before: Ends, after: Ends, way: Way, goesUp: boolean): Buffer {
  const flow = Buffer.alloc(FLOW.size);
  const family = familyOf(after.source.address);
  const old = [bytesOf(before.source.address), bytesOf(before.destination.address)] as const;
  const now = [bytesOf(after.source.address), bytesOf(after.destination.address)] as const;
  encodeKey(before).copy(flow, FLOW.key);
  now[0].copy(flow, FLOW.source);
  now[1].copy(flow, FLOW.destination);
  flow.writeUInt16BE(after.source.port, FLOW.sourcePort);
  flow.writeUInt16BE(after.destination.port, FLOW.destinationPort);
  flow.writeUInt8(family, FLOW.family);
  flow.writeUInt8(goesUp ? 0 : WAY_REDIRECT, FLOW.way);
  flow.writeUInt32LE(way.ifindex, FLOW.interface);
  flow.writeUInt32LE(way.mtu, FLOW.mtu);
  flow.writeUInt32LE(difference(old, now), FLOW.addressDelta);
  flow.writeUInt32LE(difference([ports(before)], [ports(after)]), FLOW.portDelta);
  if (family === 4 && familyOf(before.source.address) === 6) {
    flow.writeUInt32LE(difference([old[0].subarray(12), old[1]], []), FLOW.tailDelta);
  }
  way.ethernet.copy(flow, FLOW.ethernet);
  flow.writeUInt16BE(ETHER_TYPE[family], FLOW.etherType);
  return flow;
}

function ports({ source, destination }: Ends): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16BE(source.port, 0);
  bytes.writeUInt16BE(destination.port, 2);
  return bytes;
}

/** The difference of sums as checksums have it (RFC 1624), of 16-bit words in the CPU's order. */
function difference(old: readonly Buffer[], now: readonly Buffer[]): number {
  let sum = 0;
  for (const bytes of old) for (let at = 0; at < bytes.length; at += 2) sum += 0xffff - bytes.readUInt16LE(at);
  for (const bytes of now) for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16LE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}
