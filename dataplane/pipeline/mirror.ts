/** Copies of what a client sends, to other clusters. What those answer is dropped; when they fail, nothing happens. */
import type { Mirror } from '../../gen/l7mp/config/v1/types.ts';
import type { ClusterHandle, Opened } from '../core/cluster.ts';
import { DEAF } from '../core/discard.ts';
import { ProxyError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { OffloadRefusal } from '../core/offload.ts';
import type { Metadata } from '../core/session.ts';
import type { Signal, Stream } from '../core/stream.ts';
import { newCounters } from './activity.ts';
import { framed } from './framing.ts';
import { type Gate, Link } from './link.ts';

/** The session that is copied. */
export interface Mirrored {
  readonly name: string;
  readonly metadata: Metadata;
  readonly connectTimeout: number;
  readonly client: { readonly stream: Pick<Stream, 'framing' | 'altered'> };
  cluster(name: string): ClusterHandle | undefined;
}

/**
 * A copy has a queue of its own: what it has no room for yet (it is still being connected, or slow) waits there; beyond
 * its limit the oldest is dropped, and counted. The session never waits for it.
 */
export class MirrorGate implements Gate {
  private readonly session: Mirrored;
  private readonly queueLimit: number;
  private readonly log: Logger;
  private readonly copies = new Set<Link>();
  readonly keepsOut: OffloadRefusal;

  /** `queueLimit`: chunks that may wait for each copy. */
  constructor(session: Mirrored, mirrors: readonly Mirror[], queueLimit: number, log: Logger) {
    this.session = session;
    this.queueLimit = queueLimit;
    this.log = log;
    const names = mirrors.map(({ cluster }) => cluster).join(', ');
    this.keepsOut = { reason: 'mirror', message: `expected no mirrors, found ${names}` };
    for (const { cluster } of mirrors) void this.connect(cluster);
  }

  private async connect(cluster: string): Promise<void> {
    const { name: session, metadata, connectTimeout: timeout, client } = this.session;
    const { framing, altered } = client.stream;
    let copied: Stream | undefined;
    const linkFinished = (): void => {
      if (copied?.halfClose === false) copied.destroy();
    };
    const copy = new Link({ linkFinished }, newCounters(), this.queueLimit);
    copy.setReader({ framing, reliable: false, pause() {}, resume() {} });
    this.copies.add(copy);
    try {
      const handle = this.session.cluster(cluster);
      if (handle === undefined) throw new ProxyError('UNKNOWN_CLUSTER', `cluster ${cluster} does not exist`);
      const isAltered = altered === true || handle.config.framing !== 'none';
      const result = handle.open({ session, metadata, timeout, retry: false, altered: isAltered });
      const opened = 'stream' in result ? result : await result.opened;
      copied = framed(opened.stream, handle.config.framing);
      this.start(copied, opened, copy, cluster);
    } catch (error) {
      this.copies.delete(copy);
      this.log.info({ session, cluster, error: ProxyError.from(error).message }, 'a mirror could not be connected');
    }
  }

  private start(stream: Stream, opened: Opened, copy: Link, cluster: string): void {
    stream.open({
      ...DEAF,
      drain: () => copy.drain(),
      close: (error) => {
        this.copies.delete(copy);
        copy.discard();
        opened.release(error);
        const { dropped } = copy.counters;
        if (dropped > 0) this.log.info({ session: this.session.name, cluster, dropped }, 'a mirror missed chunks');
      },
    });
    copy.setWriter(stream);
  }

  pass(chunk: Buffer, text: boolean): boolean {
    for (const copy of this.copies) copy.push(chunk, text);
    return true;
  }

  /** Trailers of a request go to its copies, too. */
  signal(signal: Signal): void {
    for (const copy of this.copies) copy.signal(signal);
  }

  /** The client has ended, or the session has. */
  close(): void {
    for (const copy of this.copies) copy.finish();
  }
}
