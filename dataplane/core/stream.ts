/** The stream: what every protocol turns its connections into, and what the pipeline joins. */
import type { ProxyError } from '../../common/errors.ts';
import type { Flow } from './offload.ts';
import type { Socket } from 'node:net';

/** Whether a stream is a sequence of bytes, or of messages with boundaries. */
export type Framing = 'bytes' | 'datagrams';

/** Why a peer ended its side, where its protocol can say so (WebSocket: RFC 6455, section 7.4). */
export interface EndReason {
  readonly code: number;
  readonly message: string;
}

/** Header fields in the order received, names as received: name, value, name, value, … */
export type HeaderList = readonly string[];

/**
 * What travels beside the payload from one end of a session to the other. A stream that has no word for a signal
 * ignores it; a transform passes it on.
 */
export type Signal =
  /** The head of a response; status 1xx is informational and may be followed by others. */
  | {
      readonly type: 'response';
      readonly status: number;
      readonly reason?: string;
      readonly headers: HeaderList;
      /** What follows may not be as the peer sent it, byte for byte: the length that it announced says nothing. */
      readonly altered?: boolean;
      /** The peer said with it that nothing follows: some (gRPC's trailers) want to be told so with it, too. */
      readonly isLast?: boolean;
      /** What follows is a tunnel's, for as long as it lasts. */
      readonly tunnel?: boolean;
    }
  /** Trailer fields of a request or a response, before its end. */
  | { readonly type: 'trailers'; readonly headers: HeaderList };

/** What a connection carries where it isn't the bytes of its stream: frames that both ends of a session may exchange without us. */
export interface Frames {
  /** Only the same on both sides may be joined. */
  readonly protocol: string;
  /** Before anything is read: they may have to be left to the ends. It costs a look at each. */
  follow(): void;
  /** Whether they are followed, and none, as far as we have passed them on, is begun and not done, in either direction. */
  readonly areWhole: boolean;
  /**
   * Leaves them to the ends, for good, while they are whole. Gives the stream of the connection's bytes, paused: what was read and
   * not passed on comes first. The stream that had them is no more heard of.
   */
  lift(): Stream;
}

/** Where a stream delivers what it reads. */
export interface Sink {
  /** `text` is true for a message that its protocol marks as text. The chunk is the receiver's: it isn't reused. */
  data(chunk: Buffer, text: boolean): void;
  signal(signal: Signal): void;
  /** Nothing more will be read. The other direction may go on. */
  end(reason?: EndReason): void;
  /** After `write` returned false: it may be called again. */
  drain(): void;
  /** The stream is gone, with both directions, for whatever reason (`destroy` included). Called once, last. */
  close(error?: ProxyError): void;
}

/**
 * A duplex stream. It reads nothing before `open`, and calls nothing but the sink that `open` was given.
 *
 * ```
 *  created --open(sink)--> open --sink.end--> half closed (theirs) --end()--> closed
 *                            \---end()------> half closed (ours) --sink.end--/
 *  any --destroy()/failure--> closed                      (closed: sink.close, once)
 * ```
 */
export interface Stream {
  readonly framing: Framing;
  /**
   * Whether `pause` holds the peer back without loss. Where it doesn't (UDP), a bounded queue takes what can't be
   * written, and drops the oldest.
   */
  readonly reliable: boolean;
  /** Whether `end` tells the peer that no more will come while it may still send. False: there is no such word (UDP). */
  readonly halfClose: boolean;
  /** Where the other end is a byte stream: the largest datagram to make of it, in bytes. */
  readonly maxDatagram?: number | undefined;
  /** Whether the stage may be connected again when it breaks. Absent: yes. False once something can't be said again. */
  readonly retriable?: boolean | undefined;
  /** What it reads isn't, byte for byte, what its protocol's head announced (a header, or frames, were taken off). */
  readonly altered?: boolean | undefined;
  /**
   * Its packets, where each datagram is a packet of its own and nothing else is, or where they carry its bytes, or nothing but its
   * `frames`: others may relay them then. Or why it has none, for people, to go on after "expected UDP, found". Absent: it is no
   * stream of packets.
   */
  flow?(): Flow | string;
  /** Where the flow is of TCP. */
  readonly tcpSocket?: Socket | undefined;
  readonly frames?: Frames | undefined;
  /** Takes the framing of what is written to it, before `open`: for streams that only pass on. */
  adoptFraming?(framing: Framing): void;
  /** Starts reading. Called once. */
  open(sink: Sink): void;
  /** Takes a chunk, always; false asks to wait for `drain` before the next. The chunk isn't changed. */
  write(chunk: Buffer, text: boolean): boolean;
  /** Ends this side after what was written. */
  end(reason?: EndReason): void;
  signal?(signal: Signal): void;
  /** Stops and restarts reading. A few chunks may still come after `pause`. */
  pause(): void;
  resume(): void;
  /** Ends both sides at once; what was written may be lost. With an error a peer is told, where there is a way (RST). */
  destroy(error?: ProxyError): void;
  /** Server side: it is a request of HTTP, and the answer to it. */
  readonly isHttpRequest?: boolean | undefined;
  /** Server side: the HTTP status that the client was answered with, once it was. */
  readonly httpStatus?: number | undefined;
  /** Server side: the status of gRPC that the client's call ended with, once it has, where it was one. */
  readonly grpcStatus?: number | undefined;
  /** Client side: it answers with a `response` signal of its own. */
  readonly responds?: boolean | undefined;
  /**
   * Server side: the session is connected; what was held back (a JSONSocket's answer) may go out. `responds`: the
   * answer itself comes as a signal.
   */
  connected?(responds: boolean): void;
  /** Server side: the session could not be connected; the client is told why, then the stream is destroyed. */
  readonly refuse?: ((error: ProxyError) => void) | undefined;
  /** Server side: nothing of an answer is out yet, so that `refuse` may still say why, though the session was connected. */
  readonly unanswered?: boolean | undefined;
}
