/**
 * Explicit framing: message boundaries on a byte stream.
 *
 * ```
 *   length-prefix-2   │ length, 2 bytes, big endian │ message │      as DNS over TCP (RFC 1035, section 4.2.2)
 *   length-prefix-4   │ length, 4 bytes, big endian │ message │
 *   newline           message \n                                     a message's own newlines split it
 * ```
 */
import type { Cluster } from '../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../common/errors.ts';
import type { Framing, Sink, Stream } from '../core/stream.ts';
import { StreamWrapper } from '../core/stream-wrapper.ts';

export type FramingKind = Exclude<Cluster['framing'], 'none'>;

/** The largest message that is put together, in bytes; a longer one ends the stream. */
export const MAX_MESSAGE = 16 * 1024 * 1024;

/** Takes a byte stream's chunks apart into messages. Holds at most one message. */
export class Deframer {
  private readonly kind: FramingKind;
  private readonly emit: (message: Buffer) => void;
  /** Chunks of the message that isn't complete yet. */
  private parts: Buffer[] = [];
  private length = 0;

  constructor(kind: FramingKind, emit: (message: Buffer) => void) {
    this.kind = kind;
    this.emit = emit;
  }

  /** @throws ProxyError `TOO_LARGE` where a message is longer than `MAX_MESSAGE`. */
  push(chunk: Buffer): void {
    if (this.kind === 'newline') this.pushLines(chunk);
    else this.pushPrefixed(chunk, this.kind === 'length-prefix-2' ? 2 : 4);
  }

  /** What is left at the end: a last line without its newline; a message cut short is lost. */
  end(): void {
    if (this.kind === 'newline' && this.length > 0) this.emit(Buffer.concat(this.parts));
    this.keep([]);
  }

  private pushLines(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const line = chunk.subarray(start, end);
      this.emit(this.length > 0 ? Buffer.concat([...this.parts, line]) : line);
      this.keep([]);
      start = end + 1;
    }
    if (start < chunk.length) this.add(chunk.subarray(start));
    this.check(this.length);
  }

  private pushPrefixed(chunk: Buffer, prefix: 2 | 4): void {
    this.add(chunk);
    while (this.length >= prefix) {
      const size = this.peek(prefix);
      this.check(size);
      if (this.length < prefix + size) return;
      const all = this.join();
      this.emit(all.subarray(prefix, prefix + size));
      const rest = all.subarray(prefix + size);
      this.keep(rest.length > 0 ? [rest] : []);
    }
  }

  private add(part: Buffer): void {
    this.parts.push(part);
    this.length += part.length;
  }

  private keep(parts: Buffer[]): void {
    this.parts = parts;
    this.length = parts.reduce((sum, part) => sum + part.length, 0);
  }

  private join(): Buffer {
    return this.parts.length === 1 && this.parts[0] ? this.parts[0] : Buffer.concat(this.parts);
  }

  private peek(prefix: 2 | 4): number {
    const [first] = this.parts;
    // Prefixes are rarely split; joining then costs a copy of what is held.
    if (first === undefined || first.length < prefix) this.keep([this.join()]);
    return this.parts[0]?.readUIntBE(0, prefix) ?? 0;
  }

  private check(size: number): void {
    if (size <= MAX_MESSAGE) return;
    throw new ProxyError('TOO_LARGE', `expected a message of at most ${MAX_MESSAGE} bytes, found ${size}`);
  }
}

/** The largest message that can be sent, and would be taken, in bytes. */
function maxMessage(kind: FramingKind): number {
  return kind === 'length-prefix-2' ? 2 ** 16 - 1 : MAX_MESSAGE;
}

/** The bytes of one message. @throws ProxyError `TOO_LARGE` where its length doesn't fit the prefix. */
export function frame(kind: FramingKind, message: Buffer): Buffer {
  if (kind === 'newline') return Buffer.concat([message, NEWLINE]);
  const prefix = kind === 'length-prefix-2' ? 2 : 4;
  if (message.length > maxMessage(kind)) {
    throw new ProxyError('TOO_LARGE', `expected a message that fits ${kind}, found ${message.length} bytes`);
  }
  const framed = Buffer.allocUnsafe(prefix + message.length);
  framed.writeUIntBE(message.length, 0, prefix);
  message.copy(framed, prefix);
  return framed;
}

const NEWLINE = Buffer.from('\n');

/** A byte stream as a stream of messages. What is no byte stream stays as it is. */
export function framed(stream: Stream, kind: Cluster['framing']): Stream {
  return kind === 'none' || stream.framing === 'datagrams' ? stream : new FramedStream(stream, kind);
}

class FramedStream extends StreamWrapper {
  private readonly kind: FramingKind;

  constructor(inner: Stream, kind: FramingKind) {
    super(inner);
    this.kind = kind;
  }

  override get framing(): Framing {
    return 'datagrams';
  }

  override get altered(): boolean {
    return true;
  }

  override get maxDatagram(): number {
    return maxMessage(this.kind);
  }

  /** Whatever is written here is framed, and goes on as bytes. */
  override adoptFraming(): void {
    super.adoptFraming('bytes');
  }

  override open(sink: Sink): void {
    const deframer = new Deframer(this.kind, (message) => sink.data(message, false));
    super.open({
      data: (chunk) => {
        try {
          deframer.push(chunk);
        } catch (error) {
          this.destroy(ProxyError.from(error));
        }
      },
      end: (reason) => {
        deframer.end();
        sink.end(reason);
      },
      signal: (signal) => sink.signal(signal),
      drain: () => sink.drain(),
      close: (error) => sink.close(error),
    });
  }

  override write(chunk: Buffer): boolean {
    try {
      return super.write(frame(this.kind, chunk), false);
    } catch (error) {
      this.destroy(ProxyError.from(error));
      return true;
    }
  }
}
