/** One association: opened by system calls, and as Stream. */
import { networkInterfaces } from 'node:os';
import { isIPv6 } from 'node:net';
import { ProxyError } from '../../../common/errors.ts';
import { inbox, MAX_MESSAGE } from '../../sockets/native/inbox.ts';
import {
  EPROTONOSUPPORT,
  errnoOf,
  ESOCKTNOSUPPORT,
  MSG_EOR,
  setOption,
  SO_LINGER,
  SOCK_STREAM,
  socket,
  SOL_SOCKET,
} from '../../sockets/native/libc.ts';
import { MessageSocket } from '../../sockets/native/message-socket.ts';
import { AF_INET, AF_INET6, encodeInet } from '../../sockets/native/sockaddr.ts';
import { Reassembly } from './codec.ts';

// uapi/linux/sctp.h
const IPPROTO_SCTP = 132;
const SCTP_NODELAY = 3;

/** What a byte stream is cut into: half of the send buffer that a socket begins with (net.sctp.sctp_wmem). */
const MAX_DATAGRAM = 64 * 1024;

/** A socket for associations of an address. @throws ProxyError `UNSUPPORTED` where the kernel has no SCTP. */
export function openSctp(address: string): number {
  try {
    const fd = socket(isIPv6(address) ? AF_INET6 : AF_INET, SOCK_STREAM, IPPROTO_SCTP);
    setOption(fd, IPPROTO_SCTP, SCTP_NODELAY, 1); // accepted associations have it from the socket that listens
    return fd;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== EPROTONOSUPPORT && errno !== ESOCKTNOSUPPORT) throw error;
    throw new ProxyError(
      'UNSUPPORTED',
      'SCTP: expected a kernel with CONFIG_IP_SCTP (as a module: modprobe sctp), found one without',
      error,
    );
  }
}

/** An address with its port, in bytes; zones by the names of interfaces. */
export function sctpAddress(address: string, port: number): Buffer {
  return encodeInet(
    address,
    port,
    (zone) => Number(zone) || networkInterfaces()[zone]?.find(({ scopeid }) => scopeid)?.scopeid || 0,
  );
}

export class Association extends MessageSocket {
  private readonly reassembly = new Reassembly(MAX_MESSAGE);

  /** It owns the descriptor, which is connected. */
  constructor(fd: number, peer: string) {
    // An association ends for both sides at once (RFC 9260, section 9): there is no half-close.
    super(fd, { peer, reliable: true, halfClose: false, maxDatagram: MAX_DATAGRAM });
  }

  /** There are no empty messages (RFC 9260, section 3.3.1). */
  protected override isEnd(): boolean {
    return true;
  }

  protected override transmit(message: Buffer): number {
    return message.length === 0 ? 0 : super.transmit(message);
  }

  protected override take(length: number): Buffer | undefined {
    const message = this.reassembly.add(inbox.copy(length), (inbox.flags & MSG_EOR) !== 0);
    if (message !== 'TOO_LARGE') return message;
    this.fail(`expected messages of at most ${MAX_MESSAGE} bytes, found a longer one`);
    return undefined;
  }

  /** Closed without waiting, it tells the peer ABORT (RFC 6458, section 8.1.4). */
  protected override abort(): void {
    const linger = Buffer.alloc(8); // struct linger
    linger.writeInt32LE(1, 0);
    setOption(this.fd, SOL_SOCKET, SO_LINGER, linger);
  }
}
