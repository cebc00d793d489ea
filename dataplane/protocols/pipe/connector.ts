/** Pipe, client side: writes a FIFO, reads the answers from another. */
import type { PipeCluster } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { Connector, ConnectorContext } from '../../core/protocol.ts';
import { ensureFifo, type Opened, openWriter, WriterWatch } from './fifo.ts';
import { FifoStream } from './fifo-stream.ts';

export function createConnector({ spec, name }: ConnectorContext<PipeCluster>): Connector {
  return {
    connect: async ({ target, signal }) => {
      const path = target.address || spec.path;
      if (path === undefined) {
        throw new ProxyError('INVALID_CONFIG', `cluster ${name}: expected the path of a named pipe, found none`);
      }
      const { reply_path: replyPath } = spec;
      ensureFifo(path);
      if (replyPath !== undefined) ensureFifo(replyPath);
      // Before there is somebody who may answer at once.
      const writers = replyPath === undefined ? undefined : new WriterWatch(replyPath);
      const stream = new FifoStream({ reads: writers !== undefined, writes: true });
      try {
        stream.setWriter(await openWriter(path, signal));
      } catch (error) {
        writers?.close();
        throw error;
      }
      if (writers) {
        nextOf(writers, stream.gone).then(
          (opened) => stream.setReader(opened),
          (error: unknown) => stream.destroy(ProxyError.from(error)),
        );
      }
      return stream;
    },
  };
}

async function nextOf(writers: WriterWatch, signal: AbortSignal): Promise<Opened> {
  try {
    return await writers.next(signal, { fleeting: true });
  } finally {
    writers.close();
  }
}
