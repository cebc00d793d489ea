/** UDP sockets: what both kinds, that of system calls and that of node:dgram, have in common. */
import type { ProxyError } from '../../../common/errors.ts';
import type { Source } from './source-table.ts';

export interface SocketOptions {
  /** The IP address and port to have; `::` takes IPv4, too. Absent: the system chooses. */
  readonly local?: Source | undefined;
  /** The one peer: the socket is connected to it. */
  readonly peer?: Source | undefined;
  /** Other sockets may have the port, too: the kernel spreads the sources among them. */
  readonly reusePort?: boolean;
  /** Bytes; ROOM when 0, or the system's default where that is more. */
  readonly receiveBuffer?: number;
}

/**
 * What a receive buffer is asked to hold, in bytes. Each small datagram takes 768 of them: the 208 KiB that Linux gives are full
 * after 277, which is a pause of 4 ms at 70,000 a second.
 */
export const ROOM = 1024 * 1024;

/** Told of what a socket receives. */
export interface Receiver {
  /** In the order of arrival from each source. `address`: IPv4 addresses are plain ones on dual-stack sockets, too. */
  received(datagram: Buffer, address: string, port: number): void;
  /** Of a connected socket: its peer refused an earlier datagram (ICMP). */
  failed(error: ProxyError): void;
}

/** Told of what becomes of what is written. */
export interface Writer {
  /** There is room again. */
  drained(): void;
  /** A datagram could not be sent. */
  failed(error: ProxyError): void;
}

/** One writer's way to one peer. */
export interface Sender {
  /** Takes a datagram, always; false: the writer is told when there is room again. */
  send(datagram: Buffer): boolean;
  /** The writer is to be told nothing more. What was sent goes on. */
  close(): void;
}

export interface UdpSocket {
  /** What it is bound to. */
  readonly local: Source;
  /** Where datagrams to a peer come from, the port included; undefined where that can't be known. @throws ProxyError */
  localFor(peer: Source): Source | undefined;
  /** Datagrams that the kernel dropped since the receive buffer was full; undefined where that can't be known. */
  readonly overflow: number | undefined;
  /** Before anything is received: called in the turn in which the socket was opened. */
  start(receiver: Receiver): void;
  /** `peer`: none for a connected socket. */
  sender(writer: Writer, peer?: Source): Sender;
  /** Sends what waits, as far as the system takes it. */
  close(): Promise<void>;
}

/** Opens a socket. @throws ProxyError; nothing is left behind then. */
export type OpenSocket = (options: SocketOptions) => UdpSocket | Promise<UdpSocket>;

/** Whether a socket with this address has all of the host's. */
export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** What a port of 0 is sent: it is nobody's, and says that no answer is expected (RFC 768). */
export const NOWHERE: Sender = {
  send: () => true,
  close() {
    // Nothing is left.
  },
};
