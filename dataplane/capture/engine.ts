/**
 * Has the kernel lead other programs' sessions to listeners, at both ends of interfaces. Programs, maps and links are the
 * process's: however it ends, packets go where they say again.
 */
import { isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Capture } from '../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { CapturedEnds, CaptureListener, CapturePlace, CaptureTable } from '../core/capture.ts';
import {
  type Attachment,
  attachmentFor,
  type AttachmentName,
  createAttachment,
  PRIORITY,
} from '../kernel/attachment.ts';
import {
  createMap,
  loadProgram,
  MAP_ARRAY,
  MAP_HASH,
  MAP_LPM_TRIE,
  MAP_LRU_HASH,
  MapReader,
  MapWriter,
  NO_PREALLOC,
} from '../kernel/bpf.ts';
import { CHANGES, Netlink } from '../kernel/netlink.ts';
import { bindMaps, type ObjectFile } from '../kernel/object-file.ts';
import { close, EPOLLIN, interfaceIndex, systemError } from '../sockets/native/libc.ts';
import { watch } from '../sockets/native/poller.ts';
import { encodeExcluded, encodePorts } from './filters.ts';
import { checkLayout, decodeOther, encodeEnds, ENDS, laneOf, OTHER, PORTS_SIZE, PREFIX, SETTINGS } from './layout.ts';
import { ownCgroup } from './own-cgroup.ts';

/** Entries of a session: what its program's side sees, and what the proxy sees. */
const ENTRIES = 2;

// linux/rtnetlink.h, linux/if_arp.h
const RTM_GETLINK = 18;
const ARPHRD_ETHER = 1;

export interface CaptureOptions {
  readonly log: Logger;
  /** How programs are attached. Default: `tcx` where the kernel has it (6.6), else `clsact`. */
  readonly attachment?: AttachmentName;
}

export class CaptureEngine implements CaptureTable {
  private readonly capture: Capture;
  private readonly log: Logger;
  private readonly netlink: Netlink;
  private readonly placed: readonly Attachment[];
  private readonly flows: MapReader;
  private readonly settings: MapWriter;
  private readonly own: bigint;
  /** The last one of each place has what is captured. */
  private readonly listeners: CaptureListener[] = [];
  private readonly attached = new Set<number>();
  private addresses: readonly string[] = [];
  private readonly undo: (() => void)[] = [];

  /** @throws ProxyError; nothing is left behind then */
  constructor(object: ObjectFile, capture: Capture, { log, attachment }: CaptureOptions) {
    this.capture = capture;
    this.log = log;
    try {
      checkLayout(object.section('.layout'));
      this.own = ownSockets(capture);
      const maps = {
        flows: this.map('flows', MAP_LRU_HASH, ENDS.size, OTHER.size, ENTRIES * capture.max_sessions),
        settings: this.map('settings', MAP_ARRAY, 4, SETTINGS.size, 1),
        ports: this.map('ports', MAP_ARRAY, 4, PORTS_SIZE, 1),
        excluded: this.map('excluded', MAP_LPM_TRIE, PREFIX.size, 4, 65_536, NO_PREALLOC),
        users: this.map('users', MAP_HASH, 4, 4, 65_536, NO_PREALLOC),
      };
      this.flows = new MapReader(maps.flows, ENDS.size, OTHER.size);
      this.settings = new MapWriter(maps.settings, 4, SETTINGS.size);
      put(new MapWriter(maps.ports, 4, PORTS_SIZE), 0, encodePorts(capture));
      const excluded = new MapWriter(maps.excluded, PREFIX.size, 4);
      for (const key of encodeExcluded(capture)) put(excluded, key, 1);
      const users = new MapWriter(maps.users, 4, 4);
      for (const uid of capture.outbound.exclude_uids) put(users, uid, 1);
      this.write();
      this.netlink = this.owned(new Netlink());
      this.placed = (['egress', 'ingress'] as const).map((end) => {
        const program = loadProgram(`l7mp_${end}`, bindMaps(object.program(`tc/${end}`), maps));
        this.undo.push(() => close(program));
        const name = attachmentFor(program, attachment);
        const place = { end, priority: PRIORITY.capture };
        return this.owned(createAttachment(name, { netlink: this.netlink, object }, program, place));
      });
      const changes = this.owned(new Netlink(CHANGES));
      const watching = this.owned(
        watch(changes.descriptor, () => {
          changes.receive();
          this.follow();
        }),
      );
      watching.want(EPOLLIN);
      for (const [name, ifindex] of this.interfaces()) this.attach(name, ifindex);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  open(listener: CaptureListener): () => void {
    this.listeners.push(listener);
    this.write();
    return () => {
      this.listeners.splice(this.listeners.indexOf(listener), 1);
      this.write();
    };
  }

  original({ transport, direction, port }: CaptureListener, remote: CapturePlace): CapturedEnds | undefined {
    const isShort = isIPv4(remote.address);
    for (const address of this.addresses) {
      if (isIPv4(address) !== isShort) continue;
      const found = this.flows.get(encodeEnds(transport, { address, port }, remote));
      const ports = found && decodeOther(found, direction);
      if (!ports) continue;
      const here = { address, port: ports.local };
      const there = { address: remote.address, port: ports.remote };
      return direction === 'outbound' ? { source: here, destination: there } : { source: there, destination: here };
    }
    return undefined;
  }

  close(): void {
    for (const each of this.undo.splice(0).reverse()) each();
  }

  private map(name: string, type: number, keySize: number, valueSize: number, entries: number, flags = 0): number {
    const fd = createMap({ type, name: `l7mp_${name}`, keySize, valueSize, entries, flags });
    this.undo.push(() => close(fd));
    return fd;
  }

  private owned<T extends { close(): void }>(thing: T): T {
    this.undo.push(() => thing.close());
    return thing;
  }

  /** `struct settings` */
  private write(): void {
    const bytes = Buffer.alloc(SETTINGS.size);
    bytes.writeBigUInt64LE(this.own, SETTINGS.cgroup);
    for (const { direction, transport, address, port } of this.listeners) {
      const at = SETTINGS.listeners + 4 * laneOf(direction, transport);
      // IPv4 has its place before IPv6, and a listener of IPv6 takes both.
      bytes.writeUInt16BE(port, at);
      if (!isIPv4(address)) bytes.writeUInt16BE(port, at + 2);
    }
    put(this.settings, 0, bytes);
  }

  /** Those of Ethernet that may be used; addresses of this host are known from then on. */
  private interfaces(): Map<string, number> {
    const all = networkInterfaces();
    this.addresses = Object.values(all).flatMap((list) => list?.map(({ address }) => address) ?? []);
    const wanted = this.capture.interfaces;
    const found = new Map<string, number>();
    for (const name of Object.keys(all)) {
      const ifindex = interfaceIndex(name);
      const isWanted = wanted.length === 0 || wanted.includes(name);
      if (ifindex > 0 && isWanted && this.isEthernet(ifindex)) found.set(name, ifindex);
    }
    return found;
  }

  private isEthernet(ifindex: number): boolean {
    const head = Buffer.alloc(16); // struct ifinfomsg
    head.writeInt32LE(ifindex, 4);
    const answer = this.netlink.get(RTM_GETLINK, head, []);
    return typeof answer !== 'number' && answer.head.readUInt16LE(2) === ARPHRD_ETHER;
  }

  /** Interfaces have come, or gone. */
  private follow(): void {
    const now = this.interfaces();
    for (const ifindex of this.attached) {
      if ([...now.values()].includes(ifindex)) continue;
      for (const attachment of this.placed) attachment.detach(ifindex);
      this.attached.delete(ifindex);
    }
    for (const [name, ifindex] of now) {
      try {
        this.attach(name, ifindex);
      } catch (error) {
        this.log.error(
          { interface: name, error: ProxyError.from(error).message },
          'nothing is captured at an interface',
        );
      }
    }
  }

  private attach(name: string, ifindex: number): void {
    if (this.attached.has(ifindex)) return;
    for (const attachment of this.placed) attachment.attach(ifindex);
    this.attached.add(ifindex);
    this.log.debug({ interface: name }, 'capturing at an interface');
  }
}

/**
 * The cgroup of the proxy's own sockets; 0 where they are known by their user.
 *
 * @throws ProxyError where they can't be told from others: what the proxy sends would come back to it
 */
function ownSockets({ outbound }: Capture): bigint {
  const uid = process.getuid?.();
  if (uid !== undefined && outbound.exclude_uids.includes(uid)) return 0n;
  const found = ownCgroup();
  if (found !== undefined) return found;
  throw new ProxyError(
    'UNSUPPORTED',
    `expected a cgroup of version 2, or the proxy's user ${String(uid)} in admin.capture.outbound.exclude_uids, found neither`,
  );
}

function put(map: MapWriter, key: Buffer | number, value: Buffer | number): void {
  const result = map.update(key, value);
  if (result < 0) throw systemError('bpf map update', -result);
}
