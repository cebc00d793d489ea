/** L7mpController: each session is a request to the REST API. */
import type { Connector, ConnectorContext } from '../../core/protocol.ts';
import { RequestStream } from '../../sockets/request-stream.ts';

export function createConnector({ services }: ConnectorContext<object>): Connector {
  return { connect: ({ metadata }) => new RequestStream(metadata, services.api) };
}
