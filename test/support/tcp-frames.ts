/** TCP segments from nothing. */
import type { Ends } from '../../dataplane/offload/layout.ts';
import { checksum, ipFrame, pseudoHeader } from './frames.ts';

export const TCP = 6;
export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;
export const URG = 0x20;
export const ECE = 0x40;

export type Option =
  | { readonly kind: 'timestamps'; readonly value: number; readonly echo: number }
  | { readonly kind: 'sack'; readonly edges: readonly number[] }
  | { readonly kind: 'bytes'; readonly bytes: readonly number[] };

export interface Segment {
  readonly sequence: number;
  readonly ack: number;
  readonly window?: number;
  readonly flags?: number;
  readonly options?: readonly Option[];
  readonly payload?: Buffer;
  readonly ttl?: number;
  readonly tos?: number;
  readonly urgent?: number;
}

export const u32 = (value: number): number => value >>> 0;

function encodeOption(option: Option): Buffer {
  if (option.kind === 'bytes') return Buffer.from(option.bytes);
  const numbers = option.kind === 'sack' ? option.edges : [option.value, option.echo];
  const bytes = Buffer.alloc(2 + 4 * numbers.length);
  bytes.writeUInt8(option.kind === 'sack' ? 5 : 8, 0);
  bytes.writeUInt8(bytes.length, 1);
  numbers.forEach((number, index) => bytes.writeUInt32BE(u32(number), 2 + 4 * index));
  return bytes;
}

/** A whole frame, from nothing. Options end with zeros. */
export function tcpFrame(at: Ends, segment: Segment, macs: Buffer = Buffer.alloc(12)): Buffer {
  const { sequence, ack, window = 1000, flags = ACK, payload = Buffer.from('payload') } = segment;
  const { ttl = 64, tos = 0, urgent = 0 } = segment;
  const options = Buffer.concat((segment.options ?? []).map(encodeOption));
  const head = Buffer.alloc(20 + 4 * Math.ceil(options.length / 4));
  head.writeUInt16BE(at.source.port, 0);
  head.writeUInt16BE(at.destination.port, 2);
  head.writeUInt32BE(u32(sequence), 4);
  head.writeUInt32BE(u32(ack), 8);
  head.writeUInt8((head.length / 4) << 4, 12);
  head.writeUInt8(flags, 13);
  head.writeUInt16BE(window, 14);
  head.writeUInt16BE(urgent, 18);
  options.copy(head, 20);
  head.writeUInt16BE(checksum(pseudoHeader(at, TCP, head.length + payload.length), head, payload), 16);
  return ipFrame(at, { protocol: TCP, ttl, tos, macs }, Buffer.concat([head, payload]));
}
