/** JSONSocket, client side: sends a header that is made of the session's metadata, and waits for the answer. */
import type { JsonSocketCluster } from '../../../gen/l7mp/config/v1/types.ts';
import type { Connector, ConnectorContext } from '../../core/protocol.ts';
import { ClientStream } from './client-stream.ts';
import { createHeaderBuilder } from './codec.ts';

export function createConnector(context: ConnectorContext<JsonSocketCluster>): Connector {
  const { spec } = context;
  const transport = context.connector(spec.transport_spec);
  const buildHeader = createHeaderBuilder(spec.header);
  return {
    connect: async (request) => {
      const header = buildHeader(request.metadata, request.trace);
      request.altered = true;
      const stream = new ClientStream(await transport.connect(request), header);
      return stream.answered(request.signal);
    },
    get overflow() {
      return transport.overflow;
    },
    ...(transport.retain && { retain: (keys: ReadonlySet<string>) => transport.retain?.(keys) }),
    ...(transport.close && { close: () => transport.close?.() ?? Promise.resolve() }),
  };
}
