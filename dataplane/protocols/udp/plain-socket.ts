/** UDP sockets of node:dgram: a system call, and a trip through the event loop, for each datagram. */
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { ProxyError } from '../../../common/errors.ts';
import { plainAddress } from '../../sockets/addresses.ts';
import { SendQueue } from './send-queue.ts';
import {
  isWildcard,
  NOWHERE,
  type Receiver,
  ROOM,
  type Sender,
  type SocketOptions,
  type UdpSocket,
  type Writer,
} from './socket.ts';
import type { Source } from './source-table.ts';

/** @throws ProxyError */
export async function openPlainSocket(options: SocketOptions): Promise<UdpSocket> {
  const { local, peer, reusePort = false, receiveBuffer = 0 } = options;
  if (reusePort) throw new ProxyError('UNSUPPORTED', 'reuse_port: expected system calls (koffi), found none');
  const isDual = isIPv6(local?.address ?? peer?.address ?? '');
  const socket = createSocket({
    type: isDual ? 'udp6' : 'udp4',
    ...(receiveBuffer > 0 && { recvBufferSize: receiveBuffer }),
    // Addresses are resolved before: a synchronous look-up spares each session a trip through the event loop.
    lookup: (host, _options, callback) => {
      callback(null, host, isIPv6(host) ? 6 : 4);
    },
  });
  if (local) await attempt(socket, (done) => socket.bind({ address: local.address, port: local.port }, done));
  if (peer) await attempt(socket, (done) => socket.connect(peer.port, nativeAddress(peer.address, isDual), done));
  if (receiveBuffer === 0) makeRoom(socket);
  return new PlainSocket(socket, isDual);
}

/** Some systems refuse what is above their limit: it stays as it is there. */
function makeRoom(socket: Socket): void {
  try {
    if (socket.getRecvBufferSize() < ROOM) socket.setRecvBufferSize(ROOM);
  } catch {
    return;
  }
}

/** IPv4 addresses as IPv6 sockets take them. */
function nativeAddress(address: string, isDual: boolean): string {
  return isDual && !isIPv6(address) ? `::ffff:${address}` : address;
}

function attempt(socket: Socket, start: (done: () => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      socket.close();
      reject(ProxyError.from(error, 'CONNECT_FAILED'));
    };
    socket.once('error', fail);
    try {
      start(() => {
        socket.off('error', fail);
        resolve();
      });
    } catch (error) {
      socket.off('error', fail);
      fail(error);
    }
  });
}

class PlainSocket implements UdpSocket {
  readonly overflow = undefined;
  readonly local: Source;
  private readonly socket: Socket;
  private readonly queue: SendQueue;
  private readonly isDual: boolean;

  constructor(socket: Socket, isDual: boolean) {
    const { address, port } = socket.address();
    this.local = { address: plainAddress(address), port };
    this.socket = socket;
    this.queue = new SendQueue(socket);
    this.isDual = isDual;
  }

  start(receiver: Receiver): void {
    this.socket.on('message', (datagram, { address, port }) => {
      receiver.received(datagram, plainAddress(address), port);
    });
    this.socket.on('error', (error) => receiver.failed(ProxyError.from(error, 'PEER_RESET')));
  }

  sender(writer: Writer, peer?: Source): Sender {
    if (peer?.port === 0) return NOWHERE;
    const to = peer && { address: nativeAddress(peer.address, this.isDual), port: peer.port };
    return new PlainSender(this.socket, this.queue, writer, to);
  }

  localFor(): Source | undefined {
    return isWildcard(this.local.address) ? undefined : this.local;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.socket.close(resolve);
    });
  }
}

class PlainSender implements Sender {
  private readonly socket: Socket;
  private readonly queue: SendQueue;
  private readonly writer: Writer;
  private readonly peer: Source | undefined;

  constructor(socket: Socket, queue: SendQueue, writer: Writer, peer: Source | undefined) {
    this.socket = socket;
    this.queue = queue;
    this.writer = writer;
    this.peer = peer;
  }

  send(datagram: Buffer): boolean {
    const { socket, queue, writer, peer } = this;
    const isDue = queue.due;
    const callback = isDue ? queue.callbackFor(writer) : undefined;
    if (peer) socket.send(datagram, peer.port, peer.address, callback);
    else socket.send(datagram, callback);
    return !isDue || queue.hasRoom(writer);
  }

  close(): void {
    this.queue.leave(this.writer);
  }
}
