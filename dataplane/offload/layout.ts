/** Structures that the kernel's programs share with us (ebpf/flow.h), and the checksums that they want done in advance. */
import { createHash } from 'node:crypto';
import { isIPv4 } from 'node:net';
import type { Flow } from '../core/offload.ts';
import { compareLayout } from '../kernel/object-file.ts';
import { bytesOf } from '../sockets/native/sockaddr.ts';

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

/** ebpf/stream.h */
export const STREAM = {
  size: 152,
  pair: 120,
  state: 124,
  side: 125,
  options: 126,
  scale: 127,
  scaleAfter: 128,
  sequenceDelta: 132,
  ackDelta: 136,
  valueDelta: 140,
  echoDelta: 144,
  reach: 148,
} as const;

const HALF = { size: 24, next: 0, acked: 4, window: 8, value: 12, fin: 16, flags: 20 } as const;
export const PAIR_SIZE = 2 * HALF.size;

/** What is noted beside a pair, as JSON; `format` is another where the JSON is. */
export const NOTE = { size: 1024, format: 1 } as const;

/** struct ports */
export const PORTS_SIZE = 8192;

export const COUNTERS = { size: 24, packets: 0, bytes: 8, lastSeen: 16 } as const;

/** Of struct stream (ebpf/stream.h). */
const STREAM_STATE = { observe: 0, narrow: 1, widen: 2, spliced: 3, drain: 4, hold: 5 } as const;
const STREAM_OPTION = { timestamps: 1, sack: 2 } as const;
/** Of struct half. */
export const HALF_FLAG = { seen: 1, fin: 2, reset: 4, timestamp: 8 } as const;

/** IPPROTO_TCP, IPPROTO_UDP */
const TRANSPORTS = { tcp: 6, udp: 17 } as const;
export type Transport = keyof typeof TRANSPORTS;
const ETHER_TYPE = { 4: 0x0800, 6: 0x86dd } as const;
const WAY_REDIRECT = 1;

/** Of what is kept for other processes: programs of the same layouts can go on with it. */
export function layoutVersion(capacity: number): string {
  const what = JSON.stringify([KEY, FLOW, PORTS_SIZE, COUNTERS, NOTE, capacity]);
  return `v${createHash('sha256').update(what).digest('hex').slice(0, 12)}`;
}

/** Fails where the programs were built with other layouts: `found` is their section .layout. @throws ProxyError */
export function checkLayout(found: Buffer): void {
  compareLayout('ebpf/flow.h', [KEY, FLOW, { size: PORTS_SIZE }, COUNTERS], found);
}

/** Likewise, of spliced connections: `found` is the section .stream-layout. @throws ProxyError */
export function checkStreamLayout(found: Buffer): void {
  compareLayout('ebpf/stream.h', [STREAM, HALF], found);
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

/** The key of packets that come in at a side of a pair. */
export function keyOf({ transport, local, remote }: Flow): Buffer {
  return encodeKey({ source: remote, destination: local }, transport);
}

/** `struct flow_key` */
function encodeKey({ source, destination }: Ends, transport: Transport): Buffer {
  const key = Buffer.alloc(KEY.size);
  key.writeUInt8(TRANSPORTS[transport], KEY.transport);
  key.writeUInt8(familyOf(source.address), KEY.family);
  key.writeUInt16BE(source.port, KEY.sourcePort);
  key.writeUInt16BE(destination.port, KEY.destinationPort);
  bytesOf(source.address).copy(key, KEY.source);
  bytesOf(destination.address).copy(key, KEY.destination);
  return key;
}

/** `struct flow`: packets from and to `before` become those of `after`. `goesUp`: they stay where they came in, on lo. */
export function encodeFlow(before: Ends, after: Ends, way: Way, goesUp: boolean, transport: Transport = 'udp'): Buffer {
  const flow = Buffer.alloc(FLOW.size);
  const family = familyOf(after.source.address);
  const old = [bytesOf(before.source.address), bytesOf(before.destination.address)] as const;
  const now = [bytesOf(after.source.address), bytesOf(after.destination.address)] as const;
  encodeKey(before, transport).copy(flow, FLOW.key);
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

/** What is added to the numbers of one way. */
export interface Shift {
  readonly sequence: number;
  readonly ack: number;
  /** Of timestamps. */
  readonly value: number;
  readonly echo: number;
}

/** One way of a connection. */
export interface StreamWay {
  readonly pair: number;
  readonly side: 0 | 1;
  readonly state: keyof typeof STREAM_STATE;
  /** Both ends have agreed on. */
  readonly timestamps: boolean;
  readonly sack: boolean;
  /** Of windows: as the sender announces them, and as the receiver expects it. */
  readonly scale: number;
  readonly scaleAfter: number;
  readonly shift: Shift;
  /** How far beyond a window sequence numbers may be. */
  readonly reach: number;
}

/** `struct stream`, whose beginning is a flow. */
export function encodeStream(flow: Buffer, way: StreamWay): Buffer {
  const stream = Buffer.alloc(STREAM.size);
  flow.copy(stream);
  stream.writeUInt32LE(way.pair, STREAM.pair);
  stream.writeUInt8(STREAM_STATE[way.state], STREAM.state);
  stream.writeUInt8(way.side, STREAM.side);
  const options = (way.timestamps ? STREAM_OPTION.timestamps : 0) | (way.sack ? STREAM_OPTION.sack : 0);
  stream.writeUInt8(options, STREAM.options);
  stream.writeUInt8(way.scale, STREAM.scale);
  stream.writeUInt8(way.scaleAfter, STREAM.scaleAfter);
  stream.writeUInt32LE(way.shift.sequence, STREAM.sequenceDelta);
  stream.writeUInt32LE(way.shift.ack, STREAM.ackDelta);
  stream.writeUInt32LE(way.shift.value, STREAM.valueDelta);
  stream.writeUInt32LE(way.shift.echo, STREAM.echoDelta);
  stream.writeUInt32LE(way.reach, STREAM.reach);
  return stream;
}

/** What one end of a connection has sent last, in its own numbers. */
export interface Half {
  /** The sequence number after its last byte. */
  readonly next: number;
  /** Its highest acknowledgement. */
  readonly acked: number;
  /** In bytes. */
  readonly window: number;
  /** Its clock, of timestamps. */
  readonly value: number;
  /** The sequence number after its FIN, where the flags have it. */
  readonly fin: number;
  /** HALF_FLAG */
  readonly flags: number;
}

/** `struct pair` */
export function encodePair(halves: readonly [Half, Half]): Buffer {
  const pair = Buffer.alloc(PAIR_SIZE);
  halves.forEach((half, index) => {
    for (const name of HALF_FIELDS) pair.writeUInt32LE(half[name], index * HALF.size + HALF[name]);
  });
  return pair;
}

export function decodePair(pair: Buffer): [Half, Half] {
  const half = (at: number): Half => ({
    next: pair.readUInt32LE(at + HALF.next),
    acked: pair.readUInt32LE(at + HALF.acked),
    window: pair.readUInt32LE(at + HALF.window),
    value: pair.readUInt32LE(at + HALF.value),
    fin: pair.readUInt32LE(at + HALF.fin),
    flags: pair.readUInt32LE(at + HALF.flags),
  });
  return [half(0), half(HALF.size)];
}

const HALF_FIELDS = ['next', 'acked', 'window', 'value', 'fin', 'flags'] as const;

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
