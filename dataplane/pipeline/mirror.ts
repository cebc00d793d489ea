/** Copies of what a client sends, to other clusters. What those answer is dropped; when they fail, nothing happens. */
import type { Mirror } from '../../gen/l7mp/config/v1/types.ts';
import type { ClusterHandle, Opened } from '../core/cluster.ts';
import { ProxyError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metadata } from '../core/session.ts';
import type { Signal } from '../core/stream.ts';
import type { Gate } from './link.ts';

/** The session that is copied. */
export interface Mirrored {
  readonly name: string;
  readonly metadata: Metadata;
  readonly connectTimeout: number;
  cluster(name: string): ClusterHandle | undefined;
}

/** One copy that is connected. */
interface Copy {
  readonly opened: Opened;
  full: boolean;
}

/** A copy that has no room misses chunks, and they are counted: the session never waits for it. */
export class MirrorGate implements Gate {
  private readonly session: Mirrored;
  private readonly log: Logger;
  private readonly copies = new Set<Copy>();
  private dropped = 0;
  private closed = false;

  constructor(session: Mirrored, mirrors: readonly Mirror[], log: Logger) {
    this.session = session;
    this.log = log;
    for (const { cluster } of mirrors) void this.connect(cluster);
  }

  private async connect(cluster: string): Promise<void> {
    const { name: session, metadata, connectTimeout: timeout } = this.session;
    try {
      const handle = this.session.cluster(cluster);
      if (handle === undefined) throw new ProxyError('UNKNOWN_CLUSTER', `cluster ${cluster} does not exist`);
      const result = handle.open({ session, metadata, timeout, retry: false });
      this.start('stream' in result ? result : await result.opened);
    } catch (error) {
      this.log.info({ session, cluster, error: ProxyError.from(error).message }, 'a mirror could not be connected');
    }
  }

  private start(opened: Opened): void {
    const copy: Copy = { opened, full: false };
    this.copies.add(copy);
    opened.stream.open({
      data() {},
      signal() {},
      end() {},
      drain: () => {
        copy.full = false;
      },
      close: (error) => {
        this.copies.delete(copy);
        opened.release(error);
      },
    });
    if (this.closed) this.end(copy);
  }

  pass(chunk: Buffer, text: boolean): boolean {
    for (const copy of this.copies) {
      if (copy.full) this.dropped++;
      else copy.full = !copy.opened.stream.write(chunk, text);
    }
    return true;
  }

  /** Trailers of a request go to its copies, too. */
  signal(signal: Signal): void {
    for (const { opened } of this.copies) opened.stream.signal?.(signal);
  }

  /** The client has ended, or the session has. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const copy of this.copies) this.end(copy);
    if (this.dropped > 0) this.log.info({ session: this.session.name, dropped: this.dropped }, 'mirrors missed chunks');
  }

  private end({ opened: { stream } }: Copy): void {
    stream.end();
    if (!stream.halfClose) stream.destroy();
  }
}
