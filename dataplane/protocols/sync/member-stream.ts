/** One session's place in a broadcast domain: what it writes, all others read. */
import { BaseStream } from '../../core/base-stream.ts';
import type { ProxyError } from '../../../common/errors.ts';
import type { Framing, Stream } from '../../core/stream.ts';

export type Domain = Set<MemberStream>;

/** What a byte stream is cut into for members of datagrams: fits Ethernet with IPv6 and UDP headers (RFC 8200). */
const MAX_PIECE = 1452;

/**
 * Nobody waits for anybody: a member that is slow has what it reads queued by its session, which drops the oldest and
 * counts it; a member that is alone writes to no one.
 */
export class MemberStream extends BaseStream implements Stream {
  framing: Framing = 'datagrams';
  /** The others can't be held back: the session queues what its client has no room for. */
  readonly reliable = false;
  /** The others aren't told that this one has ended; it hears them until its session ends. */
  readonly halfClose = false;
  private readonly domain: Domain;
  private readonly onLeave: () => void;

  constructor(domain: Domain, onLeave: () => void) {
    super();
    this.domain = domain;
    this.onLeave = onLeave;
    domain.add(this);
  }

  adoptFraming(framing: Framing): void {
    this.framing = framing;
  }

  protected start(): void {
    // It is a member from the beginning; what the others write before it is opened, it misses.
  }

  write(chunk: Buffer, text: boolean): boolean {
    if (this.closed) return true;
    for (const member of this.domain) {
      if (member !== this) member.hear(chunk, text, this.framing);
    }
    return true;
  }

  private hear(chunk: Buffer, text: boolean, framing: Framing): void {
    if (framing === 'datagrams' || this.framing === 'bytes' || chunk.length <= MAX_PIECE) {
      this.sink.data(chunk, text);
      return;
    }
    for (let start = 0; start < chunk.length; start += MAX_PIECE) {
      this.sink.data(chunk.subarray(start, start + MAX_PIECE), text);
    }
  }

  end(): void {
    // The others go on, and are still heard.
  }

  pause(): void {
    // Nothing holds the others back.
  }

  resume(): void {
    // Nothing was held back.
  }

  destroy(error?: ProxyError): void {
    if (this.closed) return;
    this.domain.delete(this);
    this.onLeave();
    this.emitClose(error);
  }
}
