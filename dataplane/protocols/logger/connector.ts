/** Logger: passes everything on, and writes it; the file being slow, full or gone costs lines, never the session. */
import type { LoggerCluster } from '../../../gen/l7mp/config/v1/types.ts';
import type { Connector, ConnectorContext } from '../../core/protocol.ts';
import { TransformStream } from '../../core/transform-stream.ts';
import { createFormat } from './codec.ts';
import { shareWriter } from './shared-writer.ts';

export function createConnector({ name, spec, log }: ConnectorContext<LoggerCluster>): Connector {
  const trouble = (message: string): void => log.warn({ cluster: name }, message);
  const own = shareWriter(spec.log_file, trouble);
  return {
    transparent: true,
    connect: ({ session }) => {
      const writer = shareWriter(spec.log_file, trouble);
      const format = createFormat(spec, session);
      return new TransformStream({
        data(chunk, text, emit) {
          writer.write(format(chunk));
          emit(chunk, text);
        },
        close() {
          void writer.release();
        },
      });
    },
    close: () => own.release(),
  };
}
