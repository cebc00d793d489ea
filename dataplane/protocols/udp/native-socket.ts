/** UDP sockets by system calls. node:dgram only tells when there is something to receive, and receives the first datagram. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { ProxyError } from '../../../common/errors.ts';
import { freePort } from '../../sockets/native/held-ports.ts';
import { receiveMemory } from '../../sockets/native/receive-memory.ts';
import {
  bind,
  close,
  connect,
  ECONNREFUSED,
  getOption,
  getSocketName,
  interfaceIndex,
  setOption,
  SO_REUSEADDR,
  SOCK_DGRAM,
  socket as newSocket,
  SOL_SOCKET,
  systemError,
} from '../../sockets/native/libc.ts';
import { RECEIVE_BATCH, ReceiveBatch } from '../../sockets/native/receive-batch.ts';
import { AF_INET, AF_INET6, decodeInet, encodeInet } from '../../sockets/native/sockaddr.ts';
import { Outbox } from './outbox.ts';
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
import { sameAddress, sourceAddress } from './source-names.ts';
import type { Source } from './source-table.ts';

// asm-generic/socket.h
const SO_RCVBUF = 8;
const SO_REUSEPORT = 15;

/** Batches that one socket receives before what came is passed on, and others have their turn. */
const BATCHES = 4;

const batch = new ReceiveBatch();

/** @throws ProxyError */
export function openNativeSocket(options: SocketOptions): UdpSocket {
  const { local, peer, reusePort = false, receiveBuffer = 0 } = options;
  const isDual = isIPv6(local?.address ?? peer?.address ?? '');
  const fd = newSocket(isDual ? AF_INET6 : AF_INET, SOCK_DGRAM);
  try {
    setReceiveBuffer(fd, receiveBuffer);
    if (reusePort) setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (local) {
      freePort(local.port);
      bind(fd, encode(local, isDual), `${local.address} port ${local.port}`);
    }
    if (peer) {
      const result = connect(fd, encode(peer, isDual));
      if (result < 0) throw systemError('connect', -result, 'CONNECT_FAILED');
    }
    const socket = new NativeSocket(fd, isDual);
    // libuv has set it: others could take the port.
    if (local) setOption(fd, SOL_SOCKET, SO_REUSEADDR, 0);
    return socket;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** The system caps it. */
function setReceiveBuffer(fd: number, size: number): void {
  if (size > 0) setOption(fd, SOL_SOCKET, SO_RCVBUF, size);
  else if (getOption(fd, SOL_SOCKET, SO_RCVBUF).readInt32LE() < ROOM) setOption(fd, SOL_SOCKET, SO_RCVBUF, ROOM);
}

/** As a socket of this family takes it. */
function encode({ address, port }: Source, isDual: boolean): Buffer {
  return encodeInet(isDual && !isIPv6(address) ? `::ffff:${address}` : address, port, interfaceIndex);
}

/** The address that the kernel picks for datagrams to a peer: nothing is sent. @throws ProxyError */
function addressTowards(peer: Source): string {
  const isDual = isIPv6(peer.address);
  const fd = newSocket(isDual ? AF_INET6 : AF_INET, SOCK_DGRAM);
  try {
    const result = connect(fd, encode(peer, isDual));
    if (result < 0) throw systemError(`a route to ${peer.address}`, -result);
    return decodeInet(getSocketName(fd))?.address ?? '';
  } finally {
    close(fd);
  }
}

/** node:dgram owns the descriptor. */
class NativeSocket implements UdpSocket {
  readonly local: Source;
  private readonly fd: number;
  private readonly isDual: boolean;
  private readonly outbox: Outbox;
  private readonly waker: Socket;
  private receiver: Receiver | undefined;
  private closed = false;

  constructor(fd: number, isDual: boolean) {
    this.fd = fd;
    this.isDual = isDual;
    this.local = decodeInet(getSocketName(fd)) ?? { address: '', port: 0 };
    this.outbox = new Outbox(fd);
    this.waker = createSocket(isDual ? 'udp6' : 'udp4');
    this.waker.on('message', this.onMessage);
    this.waker.on('error', this.onError);
    this.waker.bind({ fd });
  }

  get overflow(): number | undefined {
    return this.closed ? undefined : receiveMemory(this.fd).drops;
  }

  start(receiver: Receiver): void {
    this.receiver = receiver;
  }

  localFor(peer: Source): Source | undefined {
    return isWildcard(this.local.address) ? { ...this.local, address: addressTowards(peer) } : this.local;
  }

  sender(writer: Writer, peer?: Source): Sender {
    if (peer?.port === 0) return NOWHERE;
    return this.outbox.sender(writer, peer && encode(peer, this.isDual));
  }

  close(): Promise<void> {
    this.receiver = undefined;
    this.closed = true;
    this.outbox.close();
    return new Promise((resolve) => {
      this.waker.close(resolve);
    });
  }

  private readonly onMessage = (datagram: Buffer, { address, port }: RemoteInfo): void => {
    this.deliver(datagram, sameAddress(address), port);
    for (let round = 0; round < BATCHES && this.receiver !== undefined; round++) {
      const count = batch.receive(this.fd);
      for (let index = 0; index < count; index++) {
        this.deliver(batch.copy(index), sourceAddress(batch, index), batch.port(index));
      }
      if (count === -ECONNREFUSED) this.onError(systemError('recv', ECONNREFUSED));
      if (count < RECEIVE_BATCH) return;
    }
  };

  /** Each may be the one with which the socket is closed. */
  private deliver(datagram: Buffer, address: string, port: number): void {
    this.receiver?.received(datagram, address, port);
  }

  private readonly onError = (error: Error): void => {
    this.receiver?.failed(ProxyError.from(error, 'PEER_RESET'));
  };
}
