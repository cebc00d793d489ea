/** Where a program is attached: at an end of interfaces, by TCX links or, on kernels before 6.6, by clsact. */
import { close, EEXIST, systemError } from '../sockets/native/libc.ts';
import { createMap, createTcxLink, createTcxLinkAside, loadProgram, MAP_PROGRAMS, MapWriter } from './bpf.ts';
import { LO, type Netlink, NLM_F_CREATE, NLM_F_EXCL } from './netlink.ts';
import { bindMaps, type ObjectFile, type Program } from './object-file.ts';

/** Where links stay when the process ends. */
export interface LinkPins {
  /** The interfaces that links are pinned for. */
  readonly links: readonly number[];
  /** Takes the place of that which is there. @throws ProxyError */
  putLink(ifindex: number, link: number): void;
  removeLink(ifindex: number): void;
}

export interface Attachment {
  readonly name: string;
  /** Where it isn't yet. @throws ProxyError */
  attach(ifindex: number): void;
  /** Likewise, while others go on. Rejects with a ProxyError. */
  attachAside(ifindex: number): Promise<void>;
  /** Also where the interface is gone. */
  detach(ifindex: number): void;
  /** Detaches what an earlier process has left where this one is not attached. */
  detachOthers(): void;
  close(): void;
}

/** Where a program is to be. */
interface Place {
  readonly end: 'ingress' | 'egress';
  /** Among filters: PRIORITY. */
  readonly priority: number;
}

export type AttachmentName = 'tcx' | 'clsact';

/** By links where the kernel has them (6.6), unless asked for the other. */
export function attachmentFor(program: number, asked: AttachmentName | undefined): AttachmentName {
  if (asked === 'clsact') return asked;
  const link = createTcxLink(program, LO);
  if (link < 0) return 'clsact';
  close(link);
  return 'tcx';
}

/** `object`: has what jumps to the program, where it can't be attached by links. @throws ProxyError */
export function createAttachment(
  name: AttachmentName,
  { netlink, object, pins }: { netlink: Netlink; object: ObjectFile; pins?: LinkPins | undefined },
  program: number,
  place: Place,
): Attachment {
  if (name === 'tcx') return new TcxAttachment(program, place.end, pins);
  return new ClsactAttachment(netlink, object.program('tc/enter'), program, place);
}

/** The link is the descriptor's: however the process ends, it is detached. Unless it is pinned, too. */
class TcxAttachment implements Attachment {
  readonly name = 'tcx';
  private readonly program: number;
  private readonly end: 'ingress' | 'egress';
  private readonly pins: LinkPins | undefined;
  private readonly links = new Map<number, number>();
  private isClosed = false;

  constructor(program: number, end: 'ingress' | 'egress', pins?: LinkPins) {
    this.program = program;
    this.end = end;
    this.pins = pins;
  }

  attach(ifindex: number): void {
    if (this.links.has(ifindex)) return;
    const link = createTcxLink(this.program, ifindex, this.end);
    // It is just being attached aside.
    if (link !== -EEXIST) this.keep(ifindex, link);
  }

  async attachAside(ifindex: number): Promise<void> {
    if (this.links.has(ifindex)) return;
    const link = await createTcxLinkAside(this.program, ifindex, this.end);
    // It may have been attached meanwhile by those who can't wait.
    if (!this.isClosed && !this.links.has(ifindex)) this.keep(ifindex, link);
    else if (link >= 0) close(link);
  }

  private keep(ifindex: number, link: number): void {
    if (link < 0) throw systemError(`tcx on interface ${ifindex}`, -link);
    try {
      this.pins?.putLink(ifindex, link);
    } catch (error) {
      close(link);
      throw error;
    }
    this.links.set(ifindex, link);
  }

  detach(ifindex: number): void {
    this.pins?.removeLink(ifindex);
    const link = this.links.get(ifindex);
    if (link !== undefined) close(link);
    this.links.delete(ifindex);
  }

  detachOthers(): void {
    for (const ifindex of this.pins?.links ?? []) if (!this.links.has(ifindex)) this.pins?.removeLink(ifindex);
  }

  /** What is pinned stays. */
  close(): void {
    this.isClosed = true;
    for (const link of this.links.values()) close(link);
    this.links.clear();
  }
}

// linux/rtnetlink.h, linux/pkt_sched.h, linux/pkt_cls.h
const RTM_NEWQDISC = 36;
const RTM_DELQDISC = 37;
const RTM_NEWTFILTER = 44;
const RTM_DELTFILTER = 45;
const CLSACT = 0xfffffff1;
const CLSACT_HANDLE = 0xffff0000;
const PARENTS = { ingress: 0xfffffff2, egress: 0xfffffff3 } as const;
const TCA_KIND = 1;
const TCA_OPTIONS = 2;
const TCA_BPF_FD = 6;
const TCA_BPF_NAME = 7;
const TCA_BPF_FLAGS = 8;
const DIRECT_ACTION = 1;
/** Places among filters, by which one that was left is found and replaced. */
export const PRIORITY = { capture: 0x6c36, datagrams: 0x6c37, connections: 0x6c38 } as const;
const ETH_P_ALL = 0x0300;
const NAME = 'l7mp';

/** Disciplines of interfaces that this process has filters in. Who has made one deletes it after its last filter. */
const disciplines = new Map<number, { filters: number; readonly isOurs: boolean }>();

/**
 * A filter stays when the process ends. So what is attached only jumps to the program that a map names, and a map of
 * programs is emptied as soon as no process has it: what stays does nothing, and the next attachment replaces it.
 */
class ClsactAttachment implements Attachment {
  readonly name = 'clsact';
  private readonly netlink: Netlink;
  private readonly programs: number;
  private readonly entry: number;
  private readonly place: Place;
  private readonly attached = new Set<number>();

  /** `entry`: what jumps to `program`. @throws ProxyError */
  constructor(netlink: Netlink, entry: Program, program: number, place: Place) {
    this.netlink = netlink;
    this.place = place;
    this.programs = createMap({ type: MAP_PROGRAMS, name: 'l7mp_programs', keySize: 4, valueSize: 4, entries: 1 });
    try {
      this.entry = loadProgram('l7mp_enter', bindMaps(entry, { programs: this.programs }));
    } catch (error) {
      close(this.programs);
      throw error;
    }
    const result = new MapWriter(this.programs, 4, 4).update(0, program);
    if (result < 0) throw systemError('bpf map l7mp_programs', -result);
  }

  attach(ifindex: number): void {
    if (this.attached.has(ifindex)) return;
    this.addDiscipline(ifindex);
    this.attached.add(ifindex);
    const options = [
      [TCA_BPF_FD, this.entry],
      [TCA_BPF_NAME, NAME],
      [TCA_BPF_FLAGS, DIRECT_ACTION],
    ] as const;
    const result = this.netlink.change(RTM_NEWTFILTER, NLM_F_CREATE, this.filter(ifindex), [
      [TCA_KIND, 'bpf'],
      [TCA_OPTIONS, options],
    ]);
    if (result >= 0) return;
    this.detach(ifindex);
    throw systemError(`bpf filter on interface ${ifindex}`, -result);
  }

  attachAside(ifindex: number): Promise<void> {
    return new Promise((resolve) => resolve(this.attach(ifindex)));
  }

  detach(ifindex: number): void {
    if (!this.attached.delete(ifindex)) return;
    this.netlink.change(RTM_DELTFILTER, 0, this.filter(ifindex), [[TCA_KIND, 'bpf']]);
    const discipline = disciplines.get(ifindex);
    if (!discipline || --discipline.filters > 0) return;
    disciplines.delete(ifindex);
    if (discipline.isOurs) this.netlink.change(RTM_DELQDISC, 0, head(ifindex, CLSACT_HANDLE, CLSACT), []);
  }

  detachOthers(): void {
    // What was left does nothing.
  }

  close(): void {
    for (const ifindex of [...this.attached]) this.detach(ifindex);
    close(this.entry);
    close(this.programs);
  }

  private addDiscipline(ifindex: number): void {
    const discipline = disciplines.get(ifindex);
    if (discipline) {
      discipline.filters++;
      return;
    }
    const made = this.netlink.change(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, head(ifindex, CLSACT_HANDLE, CLSACT), [
      [TCA_KIND, 'clsact'],
    ]);
    if (made < 0 && made !== -EEXIST) throw systemError(`clsact on interface ${ifindex}`, -made);
    disciplines.set(ifindex, { filters: 1, isOurs: made === 0 });
  }

  private filter(ifindex: number): Buffer {
    const { end, priority } = this.place;
    return head(ifindex, 1, PARENTS[end], priority * 0x10000 + ETH_P_ALL);
  }
}

/** `struct tcmsg` */
function head(ifindex: number, handle: number, parent: number, info = 0): Buffer {
  const bytes = Buffer.alloc(20);
  bytes.writeInt32LE(ifindex, 4);
  bytes.writeUInt32LE(handle, 8);
  bytes.writeUInt32LE(parent, 12);
  bytes.writeUInt32LE(info, 16);
  return bytes;
}
