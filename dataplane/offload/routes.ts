/** How packets leave: the kernel's own answers about routes, interfaces and neighbours, kept while flows use them. */
import { isIP, isIPv4 } from 'node:net';
import type { Flow, OffloadRefusal } from '../core/offload.ts';
import { AF_INET, AF_INET6, bytesOf, formatIP } from '../sockets/native/sockaddr.ts';
import type { Way } from './layout.ts';
import { findAttribute, LO, type Message, type Netlink, NLM_F_CREATE } from '../kernel/netlink.ts';
import { Turns } from './turns.ts';

// linux/rtnetlink.h, linux/if_link.h, linux/neighbour.h, linux/if_arp.h, linux/if.h
const RTM_GETLINK = 18;
const RTM_GETROUTE = 26;
const RTM_NEWNEIGH = 28;
const RTM_DELNEIGH = 29;
const RTM_GETNEIGH = 30;
const RTA_DST = 1;
const RTA_SRC = 2;
const RTA_IIF = 3;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_METRICS = 8;
const RTA_VIA = 18;
const RTAX_MTU = 2;
const RTN_UNICAST = 1;
const RTN_LOCAL = 2;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFF_UP = 1;
const ARPHRD_ETHER = 1;
const NDA_DST = 1;
const NDA_LLADDR = 2;
const NTF_USE = 1;
const NUD_STALE = 0x04;
/** Reachable, stale, in delay, probed, permanent. */
const NUD_USABLE = 0x02 | NUD_STALE | 0x08 | 0x10 | 0x80;
const LO_MTU = 65_536;
const MAC = 6;

/** A neighbour that flows go to. */
interface Hop {
  readonly key: string;
  readonly ifindex: number;
  readonly address: Buffer;
  readonly mac: Buffer;
  users: number;
}

export interface ResolvedWay extends Way {
  readonly hop?: Hop;
}

const NEIGHBOURS: ReadonlySet<number> = new Set([RTM_NEWNEIGH, RTM_DELNEIGH]);

/** Pairs that are looked up anew by each reading: some changes are told to nobody, as a path's MTU that a router has sent. */
export const CHECKS = 64;
/** Neighbours that are looked after at a time. */
const HOPS_PER_SWEEP = 256;

export class Routes {
  private readonly netlink: Netlink;
  private readonly allowed: readonly string[] | undefined;
  private readonly hops = new Map<string, Hop>();
  private readonly turns = new Turns<Hop>();

  /** `allowed`: names of the interfaces that may be used; all where absent. */
  constructor(netlink: Netlink, allowed?: readonly string[]) {
    this.netlink = netlink;
    this.allowed = allowed;
  }

  /** How packets of this side get to `remote`, and from where they come. */
  resolve({ local, remote }: Flow): ResolvedWay | OffloadRefusal {
    const fault = addressFault(local.address) ?? addressFault(remote.address);
    if (fault) return fault;
    const found = this.route(local.address, remote.address);
    const where = `from ${local.address} to ${remote.address}`;
    if (typeof found === 'number') return refuse('no-route', `expected a route ${where}, found errno ${-found}`);
    const type = found.head.readUInt8(7);
    if (type === RTN_LOCAL) return { ifindex: LO, isLoopback: true, mtu: LO_MTU, ethernet: Buffer.alloc(2 * MAC) };
    const ifindex = found.attribute(RTA_OIF)?.readUInt32LE(0);
    if (type !== RTN_UNICAST || ifindex === undefined) {
      return refuse('no-route', `expected a unicast route ${where}, found type ${type}`);
    }
    return this.throughLink(ifindex, nextHop(found) ?? bytesOf(remote.address), found);
  }

  /** Whether the stack would take packets of this side if they came in on lo. */
  takesOnLoopback({ local, remote }: Flow): boolean {
    return typeof this.route(local.address, remote.address, LO) !== 'number';
  }

  /** Its name; undefined where it is gone. */
  interfaceName(ifindex: number): string | undefined {
    const link = this.link(ifindex);
    return typeof link === 'number' ? undefined : nameOf(link);
  }

  /** Counts a user of the neighbour in. */
  hold({ hop }: ResolvedWay): void {
    if (!hop) return;
    hop.users++;
    this.hops.set(hop.key, hop);
  }

  release({ hop }: ResolvedWay): void {
    if (hop && --hop.users === 0 && this.hops.get(hop.key) === hop) this.hops.delete(hop.key);
  }

  /** Whether ways in use may be others now. `news`: of Netlink; undefined where some are lost. */
  concernedBy(news: readonly Message[] | undefined): boolean {
    return news?.some((message) => !NEIGHBOURS.has(message.type) || this.concerns(message)) ?? true;
  }

  /** Whether a message says that a neighbour in use has moved or is lost. */
  private concerns(message: Message): boolean {
    const address = message.attribute(NDA_DST);
    const hop = address && this.hops.get(keyOf(message.head.readInt32LE(4), address));
    if (!hop) return false;
    return message.type === RTM_DELNEIGH || !macOf(message)?.equals(hop.mac);
  }

  /**
   * The stack doesn't see that neighbours are in use: those that have grown stale are asked for, some at a time. Whether
   * one has moved or is lost.
   */
  keepFresh(): boolean {
    let changed = false;
    for (const hop of this.turns.next(this.hops.values(), HOPS_PER_SWEEP)) {
      const found = this.neighbour(hop.ifindex, hop.address);
      if (typeof found === 'number' || !macOf(found)?.equals(hop.mac)) changed ||= hop.users > 0;
      else if (found.head.readUInt16LE(8) & NUD_STALE) this.use(hop.ifindex, hop.address);
    }
    return changed;
  }

  private throughLink(ifindex: number, address: Buffer, route: Message): ResolvedWay | OffloadRefusal {
    const link = this.link(ifindex);
    if (typeof link === 'number') return refuse('interface', `expected the interface ${ifindex}, found none`);
    const name = nameOf(link);
    const own = link.attribute(IFLA_ADDRESS);
    if (!(link.head.readUInt32LE(8) & IFF_UP)) return refuse('interface', `${name}: expected it up, found it down`);
    if (link.head.readUInt16LE(2) !== ARPHRD_ETHER || own?.length !== MAC) {
      return refuse('interface', `${name}: expected Ethernet, found link type ${link.head.readUInt16LE(2)}`);
    }
    if (this.allowed && !this.allowed.includes(name)) {
      return refuse('interface', `${name}: expected one of ${this.allowed.join(', ')}`);
    }
    const found = this.neighbour(ifindex, address);
    const mac = typeof found === 'number' ? undefined : macOf(found);
    if (!mac) {
      // It is known when somebody asks again.
      this.use(ifindex, address);
      return refuse('no-neighbour', `${name}: expected the link-layer address of ${formatIP(address)}, found none yet`);
    }
    const routeMtu = findAttribute(route.attribute(RTA_METRICS) ?? Buffer.alloc(0), RTAX_MTU)?.readUInt32LE(0);
    const linkMtu = link.attribute(IFLA_MTU)?.readUInt32LE(0) ?? 0;
    const mtu = Math.min(linkMtu, routeMtu || linkMtu);
    const key = keyOf(ifindex, address);
    const known = this.hops.get(key);
    const hop = known?.mac.equals(mac) ? known : { key, ifindex, address, mac, users: 0 };
    return { ifindex, isLoopback: false, mtu, ethernet: Buffer.concat([mac, own]), hop };
  }

  private route(source: string, destination: string, from?: number): Message | number {
    const [local, remote] = [bytesOf(source), bytesOf(destination)];
    const head = Buffer.alloc(12); // struct rtmsg
    head.writeUInt8(familyOf(remote), 0);
    head.writeUInt8(8 * remote.length, 1);
    head.writeUInt8(8 * local.length, 2);
    return this.netlink.get(RTM_GETROUTE, head, [
      [RTA_DST, remote],
      [RTA_SRC, local],
      ...(from === undefined ? [] : [[RTA_IIF, from] as const]),
    ]);
  }

  private link(ifindex: number): Message | number {
    const head = Buffer.alloc(16); // struct ifinfomsg
    head.writeInt32LE(ifindex, 4);
    return this.netlink.get(RTM_GETLINK, head, []);
  }

  private neighbour(ifindex: number, address: Buffer): Message | number {
    return this.netlink.get(RTM_GETNEIGH, neighbourHead(ifindex, address, 0), [[NDA_DST, address]]);
  }

  private use(ifindex: number, address: Buffer): void {
    const attributes = [[NDA_DST, address]] as const;
    this.netlink.change(RTM_NEWNEIGH, NLM_F_CREATE, neighbourHead(ifindex, address, NTF_USE), attributes);
  }
}

/** `struct ndmsg` */
function neighbourHead(ifindex: number, address: Buffer, flags: number): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt8(familyOf(address), 0);
  head.writeInt32LE(ifindex, 4);
  head.writeUInt8(flags, 10);
  return head;
}

function familyOf(address: Buffer): number {
  return address.length === 4 ? AF_INET : AF_INET6;
}

function keyOf(ifindex: number, address: Buffer): string {
  return `${ifindex} ${address.toString('hex')}`;
}

/** Of a neighbour that can be used. */
function macOf(neighbour: Message): Buffer | undefined {
  const mac = neighbour.attribute(NDA_LLADDR);
  return neighbour.head.readUInt16LE(8) & NUD_USABLE && mac?.length === MAC ? Buffer.from(mac) : undefined;
}

/** The gateway, which may be of the other family. */
function nextHop(route: Message): Buffer | undefined {
  const gateway = route.attribute(RTA_GATEWAY) ?? route.attribute(RTA_VIA)?.subarray(2);
  return gateway && Buffer.from(gateway);
}

function nameOf(link: Message): string {
  return link.attribute(IFLA_IFNAME)?.toString('utf8').replace(/\0$/u, '') ?? '';
}

/** Addresses whose meaning doesn't depend on an interface. */
function addressFault(address: string): OffloadRefusal | undefined {
  const isPlain = isIPv4(address) || (isIP(address) === 6 && !/^(?:fe[89ab]|::ffff:.*\.)|%/iu.test(address));
  return isPlain ? undefined : refuse('address-family', `expected a global IP address, found "${address}"`);
}

export function refuse(reason: OffloadRefusal['reason'], message: string): OffloadRefusal {
  return { reason, message };
}
