/** WebSocket, client side: a connection for each session, with the path and headers of its metadata. */
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { Json, WebSocketCluster } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { Connector, ConnectorContext, ConnectRequest } from '../../core/protocol.ts';
import { type TraceContext, traceFields } from '../../../common/telemetry/trace-context.ts';
import type { Metadata } from '../../core/session.ts';
import type { Stream } from '../../core/stream.ts';
import { formatAddress } from '../../sockets/addresses.ts';
import { ConnectionDialer } from '../../sockets/connection-dialer.ts';
import { isHopByHop } from '../../sockets/http-fields.ts';
import { httpOf, joinTarget, percentEncode } from '../../sockets/http-metadata.ts';
import { FrameGate } from './frames.ts';
import { HandshakeRefused } from './refusal.ts';
import { noteSubprotocol, offeredSubprotocols } from './subprotocols.ts';
import { WebSocketStream } from './websocket-stream.ts';

export function createConnector(context: ConnectorContext<WebSocketCluster>): Connector {
  const { spec } = context;
  const dialer = new ConnectionDialer(spec, context, ['http/1.1']);
  return {
    connect: async (request) => {
      const socket = await dialer.connect(request);
      try {
        return await handshake(spec, request, socket);
      } catch (error) {
        socket.destroy();
        throw ProxyError.from(error, 'CONNECT_FAILED');
      }
    },
    close: () => dialer.close(),
  };
}

function handshake(
  spec: WebSocketCluster,
  { target: endpoint, metadata, signal, trace }: ConnectRequest,
  socket: Socket,
): Promise<Stream> {
  const authority = formatAddress(endpoint.hostname, endpoint.port);
  const subprotocols = spec.subprotocols.length > 0 ? [...spec.subprotocols] : offeredSubprotocols(metadata);
  const target = requestTarget(spec, metadata);
  const gate = new FrameGate(socket, spec.max_message_bytes);
  return new Promise((resolve, reject) => {
    const websocket = new WebSocket(`${spec.tls ? 'wss' : 'ws'}://${authority}`, subprotocols, {
      headers: requestHeaders(spec, metadata, trace),
      maxPayload: spec.max_message_bytes,
      perMessageDeflate: spec.compress,
      createConnection: () => socket,
      finishRequest: (request) => {
        request.path = target; // as it is: a URL would be normalized
        request.end();
      },
    });
    const settle = (): void => {
      signal.removeEventListener('abort', abort);
      websocket.off('error', fail).off('open', succeed);
    };
    const refuse = (error: ProxyError): void => {
      settle();
      websocket.on('error', () => undefined); // that it was given up
      websocket.terminate();
      reject(error);
    };
    const abort = (): void => refuse(ProxyError.from(signal.reason, 'CONNECT_FAILED'));
    const fail = (error: Error): void => {
      const { code } = ProxyError.from(error, 'CONNECT_FAILED');
      refuse(new ProxyError(code, `WebSocket handshake with ${authority}: ${error.message}`, error));
    };
    const succeed = (): void => {
      settle();
      if (websocket.protocol !== '') noteSubprotocol(metadata, websocket.protocol);
      const { ping_interval: pingInterval, max_message_bytes: maxMessageBytes, message_type } = spec;
      const bytesAsText = message_type === 'text';
      resolve(
        new WebSocketStream(websocket, socket, { side: 'client', pingInterval, maxMessageBytes, bytesAsText, gate }),
      );
    };
    websocket.once('error', fail).once('open', succeed);
    websocket.once('unexpected-response', (_request, { statusCode = 0 }) => {
      refuse(new HandshakeRefused(authority, statusCode));
    });
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}

/** The session's path and query, else the cluster's path; of printable ASCII, whatever rules wrote. */
function requestTarget(spec: WebSocketCluster, metadata: Metadata): string {
  const { path = spec.path, query = '' } = httpOf(metadata);
  return joinTarget(path, query).replace(/[^!-~]|#/gu, percentEncode);
}

/** Fields of the handshake and its body: ours take their place (RFC 6455, section 4.1). */
const OWN = /^(sec-websocket-.*|content-length|trailer|expect)$/u;

function requestHeaders(
  spec: WebSocketCluster,
  metadata: Metadata,
  trace: TraceContext | undefined,
): Record<string, string> {
  const given = httpOf(metadata).headers ?? {};
  const connection = asText(given['connection']);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    const text = asText(value);
    if (text !== undefined && !OWN.test(name) && !isHopByHop(name, connection)) headers[name] = text;
  }
  if (trace) {
    delete headers['tracestate'];
    Object.assign(headers, traceFields(trace));
  }
  for (const [name, value] of Object.entries(spec.headers)) headers[name.toLowerCase()] = value;
  return headers;
}

function asText(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : undefined;
}
