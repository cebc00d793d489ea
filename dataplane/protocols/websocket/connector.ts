/** WebSocket, client side: a connection for each session, with the path and headers of its metadata. */
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { Json, WebSocketCluster } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../core/errors.ts';
import type { Connector, ConnectorContext, ConnectRequest } from '../../core/protocol.ts';
import type { Metadata } from '../../core/session.ts';
import type { Stream } from '../../core/stream.ts';
import { formatAddress } from '../../sockets/addresses.ts';
import { ConnectionDialer } from '../../sockets/connection-dialer.ts';
import { httpOf } from '../../sockets/http-metadata.ts';
import { WebSocketStream } from './websocket-stream.ts';

export function createConnector({ spec, log }: ConnectorContext<WebSocketCluster>): Connector {
  const dialer = new ConnectionDialer(spec, log, ['http/1.1']);
  return {
    connect: async (request) =>
      handshake(spec, request, await dialer.connect(request.target, request.metadata, request.signal)),
    close: () => dialer.close(),
  };
}

function handshake(spec: WebSocketCluster, request: ConnectRequest, socket: Socket): Promise<Stream> {
  const { target, metadata, signal, timeout } = request;
  const { path = spec.path, query } = httpOf(metadata);
  const authority = formatAddress(target.hostname, target.port);
  const url = `${spec.tls ? 'wss' : 'ws'}://${authority}${path.startsWith('/') ? '' : '/'}${path}${query ? `?${query}` : ''}`;
  const { headers, offered } = requestHeaders(spec, metadata);
  return new Promise((resolve, reject) => {
    const websocket = new WebSocket(url, offered, {
      headers,
      maxPayload: spec.max_message_bytes,
      perMessageDeflate: spec.compress,
      handshakeTimeout: timeout,
      createConnection: () => socket,
    });
    const abort = (): void => {
      websocket.terminate();
      socket.destroy();
      reject(ProxyError.from(signal.reason));
    };
    const fail = (error: Error): void => {
      signal.removeEventListener('abort', abort);
      socket.destroy();
      reject(new ProxyError('CONNECT_FAILED', `WebSocket handshake with ${authority}: ${error.message}`, error));
    };
    websocket.once('error', fail);
    websocket.once('open', () => {
      signal.removeEventListener('abort', abort);
      websocket.off('error', fail);
      resolve(new WebSocketStream(websocket, socket, spec.ping_interval, spec.message_type === 'text'));
    });
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}

/** Fields of the handshake itself, and of one connection: ours take their place (RFC 6455, section 4.1). */
const OWN = /^(connection|upgrade|sec-websocket-.*|content-length|transfer-encoding|keep-alive|proxy-connection|te)$/u;

function requestHeaders(
  spec: WebSocketCluster,
  metadata: Metadata,
): { headers: Record<string, string>; offered: string[] } {
  const headers: Record<string, string> = {};
  const client = httpOf(metadata).headers ?? {};
  for (const [name, value] of Object.entries(client)) {
    const text = asText(value);
    if (text !== undefined && !OWN.test(name)) headers[name] = text;
  }
  Object.assign(headers, spec.headers);
  const wanted = asText(client['sec-websocket-protocol'])
    ?.split(',')
    .map((each) => each.trim());
  return { headers, offered: spec.subprotocols.length > 0 ? [...spec.subprotocols] : (wanted ?? []) };
}

function asText(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : undefined;
}
