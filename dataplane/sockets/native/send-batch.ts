/** Datagrams that one sendmmsg(2) sends: copied together, those of one size to one peer as a train that the kernel cuts up. */
import { addressOf, sendmmsg } from './libc.ts';
import { CONTROL, HEADER, MESSAGE, NAME_SIZE, VECTOR } from './message-headers.ts';

/** Messages in a batch. */
export const SEND_BATCH = 256;

/** Bytes in a batch. */
export const SEND_BYTES = 256 * 1024;

/** What a train may have: UDP_MAX_SEGMENTS (linux/udp.h), and the largest packet but for its headers. */
const MAX_SEGMENTS = 64;
const MAX_TRAIN = 65_000;

// linux/udp.h
const SOL_UDP = 17;
const UDP_SEGMENT = 103;

const CONTROL_SPACE = CONTROL.size + 8; // CMSG_SPACE(sizeof(uint16_t))
const CONTROL_LENGTH = CONTROL.size + 2; // CMSG_LEN(sizeof(uint16_t))

/** Filled and sent at once, so that one does for all sockets. */
export class SendBatch {
  /** Messages in it. */
  count = 0;
  private bytes = 0;
  private readonly segments = new Uint8Array(SEND_BATCH);
  private readonly sizes = new Uint32Array(SEND_BATCH);
  private readonly data = Buffer.alloc(SEND_BYTES);
  private readonly names = new Uint32Array((SEND_BATCH * NAME_SIZE) / 4);
  private readonly vectors = new BigUint64Array((SEND_BATCH * VECTOR.size) / 8);
  private readonly controls = Buffer.alloc(SEND_BATCH * CONTROL_SPACE);
  private readonly messages = Buffer.alloc(SEND_BATCH * MESSAGE.size);
  private readonly address = addressOf(this.messages);
  // Writing words to them is much faster than writing numbers to a Buffer.
  private readonly messageWords = new Uint32Array(this.messages.buffer, this.messages.byteOffset);
  private readonly vectorWords = new Uint32Array(this.vectors.buffer);
  private readonly controlHalves = new Uint16Array(this.controls.buffer, this.controls.byteOffset);
  /** Where the data stand, as the two halves of a pointer. */
  private readonly low: number;
  private readonly high: number;

  constructor() {
    const { controls, messages } = this;
    const data = addressOf(this.data);
    this.low = data >>> 0;
    this.high = Math.floor(data / 2 ** 32);
    const names = addressOf(Buffer.from(this.names.buffer));
    const vectors = addressOf(Buffer.from(this.vectors.buffer));
    const controlled = addressOf(controls);
    for (let index = 0; index < SEND_BATCH; index++) {
      const control = index * CONTROL_SPACE;
      controls.writeBigUInt64LE(BigInt(CONTROL_LENGTH), control + CONTROL.length);
      controls.writeInt32LE(SOL_UDP, control + CONTROL.level);
      controls.writeInt32LE(UDP_SEGMENT, control + CONTROL.type);
      const message = index * MESSAGE.size;
      messages.writeBigUInt64LE(BigInt(names + index * NAME_SIZE), message + HEADER.name);
      messages.writeBigUInt64LE(BigInt(vectors + index * VECTOR.size), message + HEADER.vectors);
      messages.writeBigUInt64LE(1n, message + HEADER.vectorCount);
      messages.writeBigUInt64LE(BigInt(controlled + control), message + HEADER.control);
    }
  }

  clear(): void {
    this.count = 0;
    this.bytes = 0;
  }

  /**
   * Adds a message: `datagrams[from]`, and with it those behind it that have the same size, where that is at most
   * `largestSegment`. How many it took; 0 where there is no room. `name` is the peer's, of `nameLength` bytes, which
   * are 0 for a connected socket.
   */
  add(
    datagrams: readonly Buffer[],
    from: number,
    name: Uint32Array,
    nameLength: number,
    largestSegment: number,
  ): number {
    const first = datagrams[from];
    const { count: index, bytes: start } = this;
    if (first === undefined || index === SEND_BATCH || start + first.length > SEND_BYTES) return 0;
    const size = first.length;
    this.data.set(first, start);
    let end = start + size;
    let segments = 1;
    if (size > 0 && size <= largestSegment) {
      const limit = Math.min(start + MAX_TRAIN, SEND_BYTES) - size;
      while (segments < MAX_SEGMENTS && end <= limit) {
        const next = datagrams[from + segments];
        if (next?.length !== size) break;
        this.data.set(next, end);
        end += size;
        segments++;
      }
    }
    this.describe(index, start, end, name, nameLength);
    const isTrain = segments > 1;
    this.messageWords[(index * MESSAGE.size + HEADER.controlLength) / 4] = isTrain ? CONTROL_SPACE : 0;
    if (isTrain) this.controlHalves[(index * CONTROL_SPACE + CONTROL.size) / 2] = size;
    this.segments[index] = segments;
    this.sizes[index] = size;
    this.count = index + 1;
    this.bytes = end;
    return segments;
  }

  private describe(index: number, start: number, end: number, name: Uint32Array, nameLength: number): void {
    const { messageWords, vectorWords, names } = this;
    const low = this.low + start;
    const vector = (index * VECTOR.size) / 4;
    vectorWords[vector] = low; // the array keeps 32 bits of it
    vectorWords[vector + 1] = low >= 2 ** 32 ? this.high + 1 : this.high;
    vectorWords[vector + 2] = end - start;
    messageWords[(index * MESSAGE.size + HEADER.nameLength) / 4] = nameLength;
    const at = (index * NAME_SIZE) / 4;
    for (let word = 0; word * 4 < nameLength; word++) names[at + word] = name[word] ?? 0;
  }

  /** Datagrams in a message. */
  segmentsOf(index: number): number {
    return this.segments[index] ?? 0;
  }

  /** Bytes in each datagram of a message. */
  sizeOf(index: number): number {
    return this.sizes[index] ?? 0;
  }

  /** Sends the messages from this one on. How many were sent, or a negative errno that is the first one's. */
  send(fd: number, from: number): number {
    return sendmmsg(fd, this.address + from * MESSAGE.size, this.count - from);
  }
}
