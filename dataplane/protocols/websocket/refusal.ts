/** Handshakes that are answered with a status other than 101: an endpoint's to us, and ours to a client. */
import type { Socket } from 'node:net';
import { ProxyError } from '../../../common/errors.ts';
import { reasonOf, refusalText, statusOf } from '../../core/status.ts';

/** How long a client may take to read why it is refused, in ms. */
const LINGER = 2000;

/** An endpoint answered, and refused. */
export class HandshakeRefused extends ProxyError {
  readonly status: number;

  constructor(endpoint: string, status: number) {
    super('CONNECT_FAILED', `WebSocket handshake with ${endpoint}: expected the status 101, found ${status}`);
    this.status = status;
  }
}

/** Tells a client that its session could not be connected: with the endpoint's own status where that is an error. */
export function refuse(socket: Socket, error: ProxyError): void {
  const status = error instanceof HandshakeRefused && error.status >= 400 ? error.status : statusOf(error);
  answer(socket, status, refusalText(error));
}

/** Answers a request, and closes the connection. */
export function answer(
  socket: Socket,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const fields = Object.entries({
    ...headers,
    connection: 'close',
    'content-type': 'text/plain',
    'content-length': String(Buffer.byteLength(text) + 1),
  });
  const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  socket.end(`HTTP/1.1 ${status} ${reasonOf(status)}\r\n${head}\r\n${text}\n`);
  // Closing with bytes unread would be a reset, and the client might lose the answer.
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER).unref();
  socket.once('end', () => socket.destroySoon()).once('close', () => clearTimeout(timer));
}
