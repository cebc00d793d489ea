/** The interfaces at which a program sees packets come in: those of all ways that were planned. */
import type { Attachment } from './attachment.ts';
import type { Plan } from './plan.ts';
import type { Routes } from './routes.ts';

export class Interfaces {
  private readonly placed: Attachment;
  private readonly routes: Routes;
  /** By index. */
  private readonly names = new Map<number, string>();

  constructor(placed: Attachment, routes: Routes) {
    this.placed = placed;
    this.routes = routes;
  }

  get list(): readonly string[] {
    return [...this.names.values()];
  }

  /** Both ways' packets come in where the other's leave. @throws ProxyError */
  attachFor({ fromClient, fromUpstream }: Plan): void {
    for (const { way } of [fromClient, fromUpstream]) {
      if (this.names.has(way.ifindex)) continue;
      this.placed.attach(way.ifindex);
      this.names.set(way.ifindex, this.routes.interfaceName(way.ifindex) ?? String(way.ifindex));
    }
  }

  /** Lets go of those that are gone. */
  forgetGone(): void {
    for (const ifindex of [...this.names.keys()]) {
      if (this.routes.interfaceName(ifindex) !== undefined) continue;
      this.placed.detach(ifindex);
      this.names.delete(ifindex);
    }
  }
}
