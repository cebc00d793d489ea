/** Prometheus: each session, whatever it asks, is answered with the page of metrics. */
import type { Connector, ConnectorContext } from '../../core/protocol.ts';
import { RequestStream } from '../../sockets/request-stream.ts';

export function createConnector({ services }: ConnectorContext<object>): Connector {
  return { connect: ({ metadata }) => new RequestStream(metadata, services.metrics) };
}
