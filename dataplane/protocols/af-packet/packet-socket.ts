/** A socket on a network interface as Stream: what is written is sent there, what others send there is read. */
import type { PacketCluster } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../../common/errors.ts';
import { receiveMemory } from '../../sockets/native/receive-memory.ts';
import { inbox } from '../../sockets/native/inbox.ts';
import {
  bind,
  close,
  EACCES,
  ENETDOWN,
  EPERM,
  errnoOf,
  ENODEV,
  ENXIO,
  interfaceIndex,
  sendTo,
  setOption,
  SOCK_DGRAM,
  SOCK_RAW,
  socket,
} from '../../sockets/native/libc.ts';
import { MessageSocket } from '../../sockets/native/message-socket.ts';
import { AF_PACKET, encodeLink, parseLinkAddress } from '../../sockets/native/sockaddr.ts';
import type { OverflowTotal } from '../../sockets/overflow-total.ts';
import { etherTypeOf, vlanTagOf, withTag } from './codec.ts';

// uapi/linux/if_packet.h, uapi/linux/if_ether.h
const SOL_PACKET = 263;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_AUXDATA = 8;
const PACKET_IGNORE_OUTGOING = 23;
const PACKET_MR_PROMISC = 1;
const ETH_P_ALL = 3;

/** The largest frame that is made of a byte stream: Ethernet's, or an IP packet's where the header is the kernel's. */
const MAX_FRAME = 1514;
const MAX_PACKET = 1500;

/** Between two looks whether an interface that is down is still there, in ms: its removal alone is not told. */
const LOOK = 1000;

const BROADCAST = Buffer.alloc(6, 0xff);

/** How a socket on an interface is opened: what listeners' and clusters' specs share. */
export type PacketOptions = Pick<PacketCluster, 'mode' | 'ethertype' | 'promiscuous' | 'destination'>;

/**
 * @param dropped counts what the kernel drops at it
 * @param onClosed called when the socket is closed
 * @throws ProxyError `PERMISSION_DENIED` (CAP_NET_RAW), `NOT_FOUND` (no such interface), `INVALID_CONFIG`
 */
export function openPacketSocket(
  name: string,
  options: PacketOptions,
  dropped: OverflowTotal,
  onClosed?: () => void,
): PacketSocket {
  const destination = options.destination === undefined ? BROADCAST : parseLinkAddress(options.destination);
  const fd = openSocket(options.mode === 'raw' ? SOCK_RAW : SOCK_DGRAM);
  let index: number;
  try {
    index = interfaceIndex(name);
    if (index === 0) throw missing(name);
    // What the proxy sends itself isn't read: it would go round.
    setOption(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
    setOption(fd, SOL_PACKET, PACKET_AUXDATA, 1);
    if (options.promiscuous) setOption(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership(index));
    bind(fd, encodeLink({ index, protocol: options.ethertype || ETH_P_ALL }), name);
  } catch (error) {
    close(fd);
    throw errnoOf(error) === ENODEV ? missing(name) : error;
  }
  const socket = new PacketSocket(fd, { name, index }, options, destination, { dropped, onClosed });
  dropped.add(socket);
  return socket;
}

/** It receives nothing before it is bound: without a protocol, frames of all interfaces would come. */
function openSocket(type: number): number {
  try {
    return socket(AF_PACKET, type, 0);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== EPERM && errno !== EACCES) throw error;
    throw new ProxyError('PERMISSION_DENIED', 'AF_PACKET: expected the capability CAP_NET_RAW, found none', error);
  }
}

function missing(name: string): ProxyError {
  return new ProxyError('NOT_FOUND', `AF_PACKET: there is no network interface "${name}"`);
}

/** `struct packet_mreq` */
function membership(index: number): Buffer {
  const request = Buffer.alloc(16);
  request.writeInt32LE(index, 0);
  request.writeUInt16LE(PACKET_MR_PROMISC, 4);
  return request;
}

interface Interface {
  readonly name: string;
  readonly index: number;
}

/** Who is told of a socket. */
interface Observers {
  readonly dropped: OverflowTotal;
  readonly onClosed: (() => void) | undefined;
}

export class PacketSocket extends MessageSocket {
  private readonly device: Interface;
  private readonly raw: boolean;
  private readonly etherType: number;
  private readonly destination: Buffer;
  private readonly dropped: OverflowTotal;
  private look: NodeJS.Timeout | undefined;

  constructor(
    fd: number,
    device: Interface,
    options: PacketOptions,
    destination: Buffer,
    { dropped, onClosed }: Observers,
  ) {
    const raw = options.mode === 'raw';
    super(fd, {
      peer: `interface ${device.name}`,
      reliable: false,
      halfClose: false,
      maxDatagram: raw ? MAX_FRAME : MAX_PACKET,
      ...(onClosed && { onClosed }),
    });
    this.device = device;
    this.raw = raw;
    this.etherType = options.ethertype;
    this.destination = destination;
    this.dropped = dropped;
  }

  /** Frames that the kernel dropped; only as long as it is open. */
  get overflow(): number {
    return receiveMemory(this.fd).drops;
  }

  protected override take(length: number): Buffer {
    if (this.look !== undefined) {
      clearInterval(this.look); // it is up again
      this.look = undefined;
    }
    const frame = inbox.copy(length);
    const tag = this.raw ? vlanTagOf(inbox.controlBytes) : undefined;
    return tag === undefined ? frame : withTag(frame, tag);
  }

  protected override transmit(packet: Buffer): number {
    if (this.raw) return super.transmit(packet);
    const protocol = this.etherType || etherTypeOf(packet);
    // Without an EtherType nobody would know what it is.
    if (protocol === 0) return packet.length;
    return sendTo(this.fd, packet, encodeLink({ index: this.device.index, protocol, address: this.destination }));
  }

  /** A frame that can't be sent is lost, as on any network, and an interface that is down may come up; one that is gone doesn't. */
  protected override isFatal(errno: number): boolean {
    if (errno !== ENETDOWN && errno !== ENXIO && errno !== ENODEV) return false;
    if (this.isGone()) return true;
    this.look ??= setInterval(() => {
      if (this.isGone()) this.destroy(this.failureOf());
    }, LOOK);
    return false;
  }

  /** Another interface may have its name. */
  private isGone(): boolean {
    return interfaceIndex(this.device.name) !== this.device.index;
  }

  protected override failureOf(): ProxyError {
    return new ProxyError('UNREACHABLE', `AF_PACKET: the network interface "${this.device.name}" is gone`);
  }

  protected override releasing(): void {
    this.dropped.remove(this);
  }

  protected override released(): void {
    clearInterval(this.look);
    super.released();
  }
}
