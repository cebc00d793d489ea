/** A session as packets: a flow of datagrams, or a TCP connection from its first SYN to its end. */
import type { TapDirection } from '../../dataplane/core/tap.ts';
import type { SessionRecord } from '../../dataplane/taps/records.ts';
import { ACK, type Endpoints, FIN, MAX_SEGMENT, type Piece, PSH, RST, SYN, tcpPacket, udpPacket } from './packets.ts';
import type { Packet } from './pcapng.ts';
import type { Said } from './wire.ts';

const NOTHING: Piece = { bytes: Buffer.alloc(0), length: 0 };

/** Options of a SYN: the largest segment, and a window that nobody fills (RFC 9293, section 3.2; RFC 7323, section 2.2). */
const SYN_OPTIONS = Buffer.from([2, 4, MAX_SEGMENT >> 8, MAX_SEGMENT & 0xff, 1, 3, 3, 14]);

const other = (direction: TapDirection): TapDirection => (direction === 'in' ? 'out' : 'in');

export class Conversation {
  private readonly ends: Readonly<Record<TapDirection, Endpoints>>;
  private readonly isStream: boolean;
  private readonly inbound: TapDirection;
  /** For its first packet. */
  private comment: string | undefined;
  private begun = false;
  /** Of what each direction says next. */
  private readonly sequence: Record<TapDirection, number>;
  private readonly ended = new Set<TapDirection>();

  constructor({ id, ends, side }: SessionRecord, chosen: Endpoints, comment: string) {
    this.ends = { in: chosen, out: { source: chosen.destination, destination: chosen.source } };
    this.isStream = ends.transport === 'tcp';
    this.inbound = side === 'client' ? 'in' : 'out';
    this.comment = comment;
    // Connections with the same ends differ by it.
    const first = (id * 0x10000) >>> 0;
    this.sequence = { in: first, out: (first + 0x8000) >>> 0 };
  }

  *said({ direction, ...piece }: Said, time: number): Generator<Packet> {
    if (!this.isStream) {
      yield this.packet(direction, udpPacket(this.ends[direction], piece), time);
      return;
    }
    yield* this.begin(time);
    if (this.ended.has(direction)) return;
    for (let at = 0; at < piece.length; at += MAX_SEGMENT) {
      const bytes = piece.bytes.subarray(at, at + MAX_SEGMENT);
      const part = { bytes, length: Math.min(MAX_SEGMENT, piece.length - at) };
      yield this.segment(direction, PSH | ACK, part, time);
      this.advance(direction, part.length);
    }
  }

  /** So many bytes were not seen. */
  skip(direction: TapDirection, bytes: number): void {
    this.advance(direction, bytes);
  }

  *end(direction: TapDirection, time: number): Generator<Packet> {
    if (!this.isStream || this.ended.has(direction)) return;
    yield* this.begin(time);
    yield this.segment(direction, FIN | ACK, NOTHING, time);
    this.advance(direction, 1);
    this.ended.add(direction);
    yield this.segment(other(direction), ACK, NOTHING, time);
  }

  /** `isReset`: it broke. */
  *close(time: number, isReset: boolean): Generator<Packet> {
    if (!this.isStream) return;
    yield* this.begin(time);
    if (isReset) yield this.segment(this.inbound, RST | ACK, NOTHING, time);
    else for (const direction of ['in', 'out'] as const) yield* this.end(direction, time);
  }

  private *begin(time: number): Generator<Packet> {
    if (this.begun) return;
    this.begun = true;
    yield this.segment('in', SYN, NOTHING, time);
    this.advance('in', 1);
    yield this.segment('out', SYN | ACK, NOTHING, time);
    this.advance('out', 1);
    yield this.segment('in', ACK, NOTHING, time);
  }

  private segment(direction: TapDirection, flags: number, piece: Piece, time: number): Packet {
    const segment = {
      sequence: this.sequence[direction],
      acknowledgement: this.sequence[other(direction)],
      flags,
      ...((flags & SYN) !== 0 && { options: SYN_OPTIONS }),
    };
    return this.packet(direction, tcpPacket(this.ends[direction], segment, piece), time);
  }

  private packet(direction: TapDirection, { bytes, length }: Piece, time: number): Packet {
    const { comment } = this;
    this.comment = undefined;
    return { bytes, length, time, direction: direction === this.inbound ? 'inbound' : 'outbound', comment };
  }

  private advance(direction: TapDirection, by: number): void {
    this.sequence[direction] = (this.sequence[direction] + by) >>> 0;
  }
}
