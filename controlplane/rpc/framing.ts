/** gRPC's length-prefixed messages in a stream of bytes (the HTTP/2 protocol of gRPC, "Requests"). */
import { RpcError, STATUS } from '../core/rpc.ts';

const HEADER_BYTES = 5;
/** Messages up to here are copied behind their header: one buffer is cheaper to write than two. */
const COPY_BYTES = 4096;
/** Room for a message that comes in pieces, at first: what a peer announces is not believed before it is sent. */
const FIRST_BYTES = 4096;

/** Takes messages out of what comes, however it is cut. It knows no socket. */
export class FrameDecoder {
  readonly #maxBytes: number;
  readonly #onMessage: (bytes: Buffer) => void;
  /** A message that is not whole yet, with its header. */
  #partial = Buffer.alloc(0);
  #length = 0;

  /** `onMessage` gets each message; its bytes may be a part of what was pushed. */
  constructor(maxBytes: number, onMessage: (bytes: Buffer) => void) {
    this.#maxBytes = maxBytes;
    this.#onMessage = onMessage;
  }

  /** Bytes of a message that is not whole yet. */
  get pending(): number {
    return this.#length;
  }

  /** @throws RpcError RESOURCE_EXHAUSTED for a message that is too large, UNIMPLEMENTED for one that is compressed. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#length === 0) {
        const end = this.#endOf(chunk, at);
        if (end <= chunk.length) {
          this.#onMessage(chunk.subarray(at + HEADER_BYTES, end));
          at = end;
          continue;
        }
      }
      at += this.#collect(chunk, at);
    }
  }

  /** Where the message that begins at `at` ends; Infinity where its header is not whole. */
  #endOf(bytes: Buffer, at: number): number {
    if (bytes.length - at < HEADER_BYTES) return Infinity;
    if (bytes.readUInt8(at) !== 0) {
      throw new RpcError(
        STATUS.UNIMPLEMENTED,
        'expected messages that are not compressed (grpc-accept-encoding: identity)',
      );
    }
    const length = bytes.readUInt32BE(at + 1);
    if (length > this.#maxBytes) {
      throw new RpcError(
        STATUS.RESOURCE_EXHAUSTED,
        `expected a message of at most ${this.#maxBytes} bytes, found one of ${length}`,
      );
    }
    return at + HEADER_BYTES + length;
  }

  /** Adds to the message that is not whole; gives the number of bytes that it took. */
  #collect(chunk: Buffer, at: number): number {
    const needed = this.#length < HEADER_BYTES ? HEADER_BYTES : this.#endOf(this.#partial, 0);
    const taken = Math.min(needed - this.#length, chunk.length - at);
    this.#reserve(this.#length + taken, needed);
    chunk.copy(this.#partial, this.#length, at, at + taken);
    this.#length += taken;
    if (this.#length >= HEADER_BYTES && this.#length === this.#endOf(this.#partial, 0)) {
      const message = this.#partial.subarray(HEADER_BYTES, this.#length);
      this.#partial = Buffer.alloc(0);
      this.#length = 0;
      this.#onMessage(message);
    }
    return taken;
  }

  #reserve(bytes: number, needed: number): void {
    if (bytes <= this.#partial.length) return;
    const grown = Buffer.allocUnsafe(
      Math.max(bytes, Math.min(needed, Math.max(FIRST_BYTES, this.#partial.length * 2))),
    );
    this.#partial.copy(grown, 0, 0, this.#length);
    this.#partial = grown;
  }
}

/** A message in parts, as buffers to be written: small ones as one, others uncopied behind a header. */
export function frame(parts: readonly Buffer[]): readonly Buffer[] {
  let length = 0;
  for (const part of parts) length += part.length;
  const copied = length <= COPY_BYTES;
  const head = Buffer.allocUnsafe(HEADER_BYTES + (copied ? length : 0));
  head[0] = 0;
  head.writeUInt32BE(length, 1);
  if (!copied) return [head, ...parts];
  let at = HEADER_BYTES;
  for (const part of parts) at += part.copy(head, at);
  return [head];
}
