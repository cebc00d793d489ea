/** What both engines stand on: how packets of pairs leave, where programs see them, and who hears when that changes. */
import type { FlowPair, OffloadRefusal } from '../core/offload.ts';
import { EPOLLIN } from '../sockets/native/libc.ts';
import { watch } from '../sockets/native/poller.ts';
import { type Attachment, type AttachmentName, createAttachment } from '../kernel/attachment.ts';
import { Interfaces } from './interfaces.ts';
import { Loopback } from './loopback.ts';
import { CHANGES, type Message, Netlink } from '../kernel/netlink.ts';
import type { ObjectFile } from '../kernel/object-file.ts';
import type { PinFolder } from './pin-folder.ts';
import { type Plan, planPair } from './plan.ts';
import { CHECKS, Routes } from './routes.ts';
import { Turns } from './turns.ts';

export interface WaysOptions {
  /** Names of the interfaces that may be used, lo aside; all where absent. */
  readonly interfaces?: readonly string[] | undefined;
  readonly attachment: AttachmentName;
  /** Has what jumps to programs, where they can't be attached by links. */
  readonly object: ObjectFile;
  readonly pins?: PinFolder | undefined;
  readonly programs: readonly { readonly program: number; readonly end: 'ingress' | 'egress' }[];
  /** Among filters: PRIORITY. */
  readonly priority: number;
}

/** The pairs of an engine. */
export interface Pairs<Entry> {
  readonly entries: () => Iterable<Entry>;
  /** Looks anew how a pair leaves. Where it has gone meanwhile, too. */
  readonly check: (entry: Entry) => void;
  /** Hears of changes that no way in use is concerned by. */
  readonly other?: (news: readonly Message[]) => void;
}

export class Ways<Entry> {
  readonly attachment: AttachmentName;
  readonly routes: Routes;
  readonly interfaces: Interfaces;
  private readonly placed: readonly Attachment[];
  private readonly changes: Netlink;
  private readonly loopback = new Loopback();
  private readonly turns = new Turns<Entry>();
  private readonly pairs: Pairs<Entry>;
  private readonly undo: (() => void)[] = [];

  /** @throws ProxyError */
  constructor({ interfaces, attachment, programs, priority, ...from }: WaysOptions, pairs: Pairs<Entry>) {
    this.attachment = attachment;
    this.pairs = pairs;
    try {
      const netlink = this.own(new Netlink());
      this.changes = this.own(new Netlink(CHANGES));
      this.routes = new Routes(netlink, interfaces);
      this.placed = programs.map(({ program, end }) =>
        this.own(createAttachment(attachment, { netlink, ...from }, program, { end, priority })),
      );
      this.interfaces = this.own(new Interfaces(this.placed, this.routes));
      const heard = this.own(watch(this.changes.descriptor, () => this.look()));
      heard.want(EPOLLIN);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Detaches what an earlier process has left where this one is not attached. */
  detachOthers(): void {
    for (const attachment of this.placed) attachment.detachOthers();
  }

  private own<T extends { close(): void }>(resource: T): T {
    this.undo.push(() => resource.close());
    return resource;
  }

  plan(pair: FlowPair): Plan | OffloadRefusal {
    return planPair(pair, this.routes, this.loopback);
  }

  /** Takes in what has changed. */
  look(): void {
    const news = this.changes.receive();
    if (this.routes.concernedBy(news)) this.refresh();
    else if (news?.length) this.pairs.other?.(news);
  }

  /** Meant for once a second: what has changed, and some of what may have without a word. */
  sweep(): void {
    this.look();
    if (this.routes.keepFresh()) this.refresh();
    else for (const entry of this.turns.next(this.pairs.entries(), CHECKS)) this.pairs.check(entry);
  }

  /** Everything is looked up anew. */
  private refresh(): void {
    this.interfaces.forgetGone();
    for (const entry of [...this.pairs.entries()]) this.pairs.check(entry);
  }

  /** `stays`: what pinned pairs need is left as it is. */
  close(stays = false): void {
    for (const step of this.undo.splice(0).reverse()) step();
    if (!stays) this.loopback.close();
  }
}
