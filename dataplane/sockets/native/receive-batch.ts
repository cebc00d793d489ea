/** Datagrams that one recvmmsg(2) receives: their memory, and how the kernel is told of it. */
import { addressOf, recvmmsg } from './libc.ts';
import { HEADER, MESSAGE, NAME_SIZE, VECTOR } from './message-headers.ts';
import { AF_INET6 } from './sockaddr.ts';

/** Datagrams in a batch. */
export const RECEIVE_BATCH = 64;

/** No datagram is larger, in bytes. */
const MAX_DATAGRAM = 65536;

/** Most datagrams fit into so many bytes, which stand close together; only the rest of larger ones goes elsewhere. */
const NEAR = 2048;
const FAR = MAX_DATAGRAM - NEAR;

/** Valid until the next `receive`: one batch does for all sockets, as every datagram is copied out of it. */
export class ReceiveBatch {
  private readonly near = Buffer.alloc(RECEIVE_BATCH * NEAR);
  /** The system gives memory for it only when it is touched. */
  private readonly far = Buffer.alloc(RECEIVE_BATCH * FAR);
  private readonly names = Buffer.alloc(RECEIVE_BATCH * NAME_SIZE);
  private readonly vectors = Buffer.alloc(RECEIVE_BATCH * 2 * VECTOR.size);
  private readonly messages = Buffer.alloc(RECEIVE_BATCH * MESSAGE.size);
  private readonly address = addressOf(this.messages);
  // Reading words of them is much faster than reading numbers of a Buffer.
  private readonly messageWords = new Uint32Array(this.messages.buffer, this.messages.byteOffset);
  private readonly nameWords = new Uint32Array(this.names.buffer, this.names.byteOffset);
  private received = 0;

  constructor() {
    const { vectors, messages } = this;
    const near = addressOf(this.near);
    const far = addressOf(this.far);
    const names = addressOf(this.names);
    const described = addressOf(vectors);
    for (let index = 0; index < RECEIVE_BATCH; index++) {
      const vector = index * 2 * VECTOR.size;
      writeVector(vectors, vector, near + index * NEAR, NEAR);
      writeVector(vectors, vector + VECTOR.size, far + index * FAR, FAR);
      const message = index * MESSAGE.size;
      messages.writeBigUInt64LE(BigInt(names + index * NAME_SIZE), message + HEADER.name);
      messages.writeUInt32LE(NAME_SIZE, message + HEADER.nameLength);
      messages.writeBigUInt64LE(BigInt(described + vector), message + HEADER.vectors);
      messages.writeBigUInt64LE(2n, message + HEADER.vectorCount);
    }
  }

  /** The number of datagrams that came, or a negative errno. */
  receive(fd: number): number {
    // The kernel wrote the lengths of names there.
    for (let index = 0; index < this.received; index++) {
      this.messageWords[(index * MESSAGE.size + HEADER.nameLength) / 4] = NAME_SIZE;
    }
    const result = recvmmsg(fd, this.address, RECEIVE_BATCH);
    this.received = Math.max(result, 0);
    return result;
  }

  /** A datagram, in a Buffer of its own. */
  copy(index: number): Buffer {
    const length = this.messageWords[(index * MESSAGE.size + MESSAGE.length) / 4] ?? 0;
    const datagram = Buffer.allocUnsafe(length);
    const start = index * NEAR;
    this.near.copy(datagram, 0, start, start + Math.min(length, NEAR));
    if (length > NEAR) this.far.copy(datagram, NEAR, index * FAR, index * FAR + length - NEAR);
    return datagram;
  }

  /** The sender's port. */
  port(index: number): number {
    const word = this.nameWords[(index * NAME_SIZE) / 4] ?? 0;
    return ((word >>> 8) & 0xff00) | (word >>> 24);
  }

  /** The sender's IPv4 address as the kernel's word, which is a key for it, also that in an IPv6 address; -1 if there is none. */
  ipv4(index: number): number {
    const { nameWords } = this;
    const at = (index * NAME_SIZE) / 4;
    if (((nameWords[at] ?? 0) & 0xffff) !== AF_INET6) return nameWords[at + 1] ?? -1;
    const mapped = nameWords[at + 4] === 0xffff0000 && nameWords[at + 3] === 0 && nameWords[at + 2] === 0;
    return mapped ? (nameWords[at + 5] ?? -1) : -1;
  }

  /** The sender's name: a `struct sockaddr_in` or `sockaddr_in6`. */
  name(index: number): Buffer {
    return this.names.subarray(index * NAME_SIZE, (index + 1) * NAME_SIZE);
  }
}

function writeVector(vectors: Buffer, at: number, base: number, length: number): void {
  vectors.writeBigUInt64LE(BigInt(base), at + VECTOR.base);
  vectors.writeBigUInt64LE(BigInt(length), at + VECTOR.length);
}
