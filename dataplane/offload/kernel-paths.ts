/** The kernel's ways: that of datagrams, and that of connections. */
import type { KernelPath, KeptSessions, OffloadableSession } from '../core/kernel-path.ts';
import type { OffloadedSession, OffloadRefusal, OffloadStatus, OffloadView } from '../core/offload.ts';
import type { OffloadPolicy } from './policy.ts';
import type { SplicePath } from './splice-path.ts';

export class KernelPaths implements KernelPath, OffloadStatus {
  private readonly datagrams: OffloadPolicy;
  readonly connections: SplicePath;

  constructor(datagrams: OffloadPolicy, connections: SplicePath) {
    this.datagrams = datagrams;
    this.connections = connections;
  }

  get kept(): KeptSessions | undefined {
    return this.datagrams.kept;
  }

  private of({ clientReliable }: OffloadableSession): KernelPath {
    return clientReliable ? this.connections : this.datagrams;
  }

  get engine(): OffloadStatus['engine'] {
    return this.datagrams.engine;
  }

  get reason(): string | undefined {
    return this.datagrams.reason;
  }

  get handovers(): number {
    return this.datagrams.handovers + this.connections.handovers;
  }

  get handbacks(): number {
    return this.datagrams.handbacks + this.connections.handbacks;
  }

  get refusals(): ReadonlyMap<string, number> {
    const all = new Map(this.datagrams.refusals);
    for (const [reason, count] of this.connections.refusals) all.set(reason, (all.get(reason) ?? 0) + count);
    return all;
  }

  sessions(): OffloadedSession[] {
    return [...this.datagrams.sessions(), ...this.connections.sessions()];
  }

  mayTake(session: OffloadableSession): boolean {
    return this.of(session).mayTake(session);
  }

  sweep(now: number): void {
    this.datagrams.sweep(now);
    this.connections.sweep(now);
  }

  refresh(session: OffloadableSession, now: number): void {
    this.of(session).refresh(session, now);
  }

  measured(session: OffloadableSession, packetsPerSecond: number, now: number): void {
    this.of(session).measured(session, packetsPerSecond, now);
  }

  release(session: OffloadableSession): Promise<void> | undefined {
    return this.of(session).release(session);
  }

  recall(session: OffloadableSession, why: OffloadRefusal): Promise<OffloadRefusal | undefined> | undefined {
    return this.of(session).recall(session, why);
  }

  view(session: OffloadableSession): OffloadView {
    return this.of(session).view(session);
  }

  /** After the last session has ended. */
  close(): void {
    this.datagrams.close();
    this.connections.close();
  }
}
