/** The interfaces at which programs see packets: those of all ways that were planned. */
import type { Attachment } from '../kernel/attachment.ts';
import type { Plan } from './plan.ts';
import type { Routes } from './routes.ts';

export class Interfaces {
  private readonly placed: readonly Attachment[];
  private readonly routes: Routes;
  /** By index. */
  private readonly names = new Map<number, string>();
  private readonly attaching = new Map<number, Promise<void>>();
  private isClosed = false;

  constructor(placed: readonly Attachment[], routes: Routes) {
    this.placed = placed;
    this.routes = routes;
  }

  get list(): readonly string[] {
    return [...this.names.values()];
  }

  /** Both ways' packets come in where the other's leave. @throws ProxyError */
  attachFor(plan: Plan): void {
    for (const ifindex of this.newOf(plan)) {
      for (const attachment of this.placed) attachment.attach(ifindex);
      this.add(ifindex);
    }
  }

  /** Likewise, while others go on. Rejects with a ProxyError. */
  async attachAsideFor(plan: Plan): Promise<void> {
    for (const ifindex of this.newOf(plan)) {
      let attaching = this.attaching.get(ifindex);
      if (!attaching) {
        const all = this.placed.map((attachment) => attachment.attachAside(ifindex));
        attaching = Promise.all(all).then(() => this.add(ifindex));
        this.attaching.set(ifindex, attaching);
        void attaching.catch(() => undefined).then(() => this.attaching.delete(ifindex));
      }
      await attaching;
    }
  }

  private newOf({ fromClient, fromUpstream }: Plan): Set<number> {
    return new Set(
      [fromClient, fromUpstream].map(({ way }) => way.ifindex).filter((ifindex) => !this.names.has(ifindex)),
    );
  }

  private add(ifindex: number): void {
    if (this.isClosed) return; // there is nobody any more to ask for its name
    this.names.set(ifindex, this.routes.interfaceName(ifindex) ?? String(ifindex));
  }

  /** What is still being attached is let go of, too, by the attachments, which are closed on their own. */
  close(): void {
    this.isClosed = true;
  }

  /** Lets go of those that are gone. */
  forgetGone(): void {
    for (const ifindex of [...this.names.keys()]) {
      if (this.routes.interfaceName(ifindex) !== undefined) continue;
      for (const attachment of this.placed) attachment.detach(ifindex);
      this.names.delete(ifindex);
    }
  }
}
