/** Pipe, server side: a session for each writer that opens the FIFO; the next begins when the one before has ended. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PipeListener } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { Listener, ListenerContext } from '../../core/protocol.ts';
import { ensureFifo, type Opened, openWriter, WriterWatch } from './fifo.ts';
import { FifoStream } from './fifo-stream.ts';

/** How long nobody reads the FIFO after a session that did not read to its end, in ms: its writer is told (EPIPE). */
const REST = 100;

/** Between two attempts to open a FIFO that can't be opened, in ms. */
const RETRY = 1000;

export function createListener(context: ListenerContext<PipeListener>): Listener {
  return new FifoListener(context);
}

class FifoListener implements Listener {
  readonly address: string;
  private readonly context: ListenerContext<PipeListener>;
  private readonly abort = new AbortController();
  private running: Promise<void> = Promise.resolve();
  private counter = 0;

  constructor(context: ListenerContext<PipeListener>) {
    this.context = context;
    this.address = context.spec.path;
  }

  start(): Promise<void> {
    return new Promise((resolve) => {
      this.running = this.serve(this.open());
      resolve();
    });
  }

  /** The session that runs has its own ends of the FIFOs, and goes on. */
  async close(): Promise<void> {
    this.abort.abort(new ProxyError('LISTENER_CLOSED', `listener ${this.context.name} was closed`));
    await this.running;
  }

  private open(): WriterWatch {
    const { path, reply_path: replyPath } = this.context.spec;
    ensureFifo(path);
    if (replyPath !== undefined) ensureFifo(replyPath);
    return new WriterWatch(path);
  }

  private async serve(first: WriterWatch): Promise<void> {
    const { name, log } = this.context;
    const { signal } = this.abort;
    let writers: WriterWatch | undefined = first;
    while (!signal.aborted) {
      let rest = REST;
      try {
        writers ??= this.open();
        let ended = true;
        while (ended) ended = await this.run(await writers.next(signal));
      } catch (error) {
        rest = RETRY;
        if (!this.abort.signal.aborted) {
          log.error({ listener: name, error: ProxyError.from(error).message }, 'reading a named pipe failed');
        }
      }
      writers?.close();
      writers = undefined;
      await sleep(rest, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Runs one session. Whether it read to the writer's end. */
  private run(opened: Opened): Promise<boolean> {
    const { name, spec, accept } = this.context;
    const { path, reply_path: replyPath } = spec;
    return new Promise((resolve) => {
      const stream = new FifoStream({ reads: true, writes: replyPath !== undefined });
      const { reader } = opened;
      stream.setReader(opened);
      const listening = this.abort.signal;
      const done = (): void => {
        listening.removeEventListener('abort', done);
        resolve(reader.readableEnded);
      };
      stream.gone.addEventListener('abort', done, { once: true });
      listening.addEventListener('abort', done, { once: true });
      if (replyPath !== undefined) {
        openWriter(replyPath, stream.gone).then(
          (writer) => stream.setWriter(writer),
          (error: unknown) => stream.destroy(ProxyError.from(error)),
        );
      }
      accept({ name: `Pipe:${name}-${this.counter++}`, metadata: { Pipe: { path } }, stream });
    });
  }
}
