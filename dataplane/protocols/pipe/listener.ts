/** Pipe, server side: a session for each writer that opens the FIFO; the next begins when the one before has ended. */
import type { PipeListener } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../core/errors.ts';
import type { Listener, ListenerContext } from '../../core/protocol.ts';
import { ensureFifo, openReader, openWriter } from './fifo.ts';
import { FifoStream } from './fifo-stream.ts';

export function createListener(context: ListenerContext<PipeListener>): Listener {
  return new FifoListener(context);
}

class FifoListener implements Listener {
  readonly address: string;
  private readonly context: ListenerContext<PipeListener>;
  private readonly abort = new AbortController();
  private running: Promise<void> = Promise.resolve();

  constructor(context: ListenerContext<PipeListener>) {
    this.context = context;
    this.address = context.spec.path;
  }

  async start(): Promise<void> {
    const { path, reply_path: replyPath } = this.context.spec;
    await ensureFifo(path);
    if (replyPath !== undefined) await ensureFifo(replyPath);
    this.running = this.serve();
  }

  async close(): Promise<void> {
    this.abort.abort(new ProxyError('LISTENER_CLOSED', `listener ${this.context.name} was closed`));
    await this.running;
  }

  private isClosed(): boolean {
    return this.abort.signal.aborted;
  }

  private async serve(): Promise<void> {
    const { name, spec, accept, log } = this.context;
    const { signal } = this.abort;
    for (let counter = 0; !signal.aborted; counter++) {
      try {
        const reader = await openReader(spec.path, signal);
        const writer = spec.reply_path === undefined ? undefined : await openWriter(spec.reply_path, signal);
        const stream = new FifoStream(reader, writer);
        accept({ name: `Pipe:${name}-${counter}`, metadata: { Pipe: { path: spec.path } }, stream });
        await ended(reader, signal);
      } catch (error) {
        if (this.isClosed()) return;
        log.error({ listener: name, error: ProxyError.from(error).message }, 'reading a named pipe failed');
        await new Promise((resolve) => setTimeout(resolve, 1000).unref());
      }
    }
  }
}

/** Resolves when the reader is closed, or the listener is. */
function ended(reader: { once(event: 'close', listener: () => void): unknown }, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    reader.once('close', resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
