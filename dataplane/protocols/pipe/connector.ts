/** Pipe, client side: writes a FIFO, reads the answers from another. */
import type { PipeCluster } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../core/errors.ts';
import type { Connector, ConnectorContext } from '../../core/protocol.ts';
import { ensureFifo, openReader, openWriter } from './fifo.ts';
import { FifoStream } from './fifo-stream.ts';

export function createConnector({ spec, name }: ConnectorContext<PipeCluster>): Connector {
  return {
    connect: async ({ target, signal }) => {
      const path = target.address || spec.path;
      if (path === undefined) throw new ProxyError('INVALID_CONFIG', `cluster ${name}: expected a path`);
      await ensureFifo(path);
      if (spec.reply_path !== undefined) await ensureFifo(spec.reply_path);
      const writer = await openWriter(path, signal);
      try {
        const reader = spec.reply_path === undefined ? undefined : await openReader(spec.reply_path, signal);
        return new FifoStream(reader, writer);
      } catch (error) {
        writer.destroy();
        throw error;
      }
    },
  };
}
