/** Where recvmsg(2) puts what it receives: one for the process, as every message is copied out before the next is read. */
import { addressOf, MSG_TRUNC, recvmsg } from './libc.ts';
import { HEADER, VECTOR } from './message-headers.ts';

/** The largest message that is received, in bytes. The memory is the system's until it is touched. */
export const MAX_MESSAGE = 1024 * 1024;

class Inbox {
  private readonly data = Buffer.alloc(MAX_MESSAGE);
  private readonly name = Buffer.alloc(128);
  private readonly control = Buffer.alloc(128);
  private readonly vector = Buffer.alloc(VECTOR.size);
  private readonly header = Buffer.alloc(HEADER.size);
  private readonly address: number;

  constructor() {
    this.vector.writeBigUInt64LE(BigInt(addressOf(this.data)), VECTOR.base);
    this.vector.writeBigUInt64LE(BigInt(this.data.length), VECTOR.length);
    this.header.writeBigUInt64LE(BigInt(addressOf(this.name)), HEADER.name);
    this.header.writeBigUInt64LE(BigInt(addressOf(this.vector)), HEADER.vectors);
    this.header.writeBigUInt64LE(1n, HEADER.vectorCount);
    this.header.writeBigUInt64LE(BigInt(addressOf(this.control)), HEADER.control);
    this.address = addressOf(this.header);
  }

  /**
   * Receives a message if there is one. Its length, or a negative errno. A length above MAX_MESSAGE says how long it
   * was; only its beginning was kept.
   */
  receive(fd: number): number {
    this.header.writeUInt32LE(this.name.length, HEADER.nameLength);
    this.header.writeUInt32LE(this.control.length, HEADER.controlLength);
    return recvmsg(fd, this.address, MSG_TRUNC);
  }

  /** The message, of this length: a copy. */
  copy(length: number): Buffer {
    const message = Buffer.allocUnsafe(length);
    this.data.copy(message, 0, 0, length);
    return message;
  }

  /** MSG_EOR, MSG_CTRUNC, … */
  get flags(): number {
    return this.header.readInt32LE(HEADER.flags);
  }

  get nameLength(): number {
    return Math.min(this.header.readUInt32LE(HEADER.nameLength), this.name.length);
  }

  /** The sender's address, as a string of its bytes: what a map can be keyed with. */
  get nameKey(): string {
    return this.name.toString('latin1', 0, this.nameLength);
  }

  /** The length of what came beside the message. */
  get controlLength(): number {
    return this.header.readUInt32LE(HEADER.controlLength);
  }

  /** What came beside the message. Valid until the next one. */
  get controlBytes(): Buffer {
    return this.control.subarray(0, this.controlLength);
  }
}

export const inbox = new Inbox();
