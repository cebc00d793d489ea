/** Handshakes that are answered with a status other than 101: an endpoint's to us, and ours to a client. */
import type { Socket } from 'node:net';
import { ProxyError } from '../../../common/errors.ts';
import { type Answer, answerOf } from '../../core/answer.ts';
import { reasonOf } from '../../core/status.ts';

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

/**
 * Tells a client that its session could not be connected: with the endpoint's own status where that is an error. Gives the status that
 * it is told.
 */
export function refuse(socket: Socket, error: ProxyError): number {
  const answer = answerOf(error);
  const status = error instanceof HandshakeRefused && error.status >= 400 ? error.status : answer.status;
  send(socket, { ...answer, status });
  return status;
}

/** Answers a request, and closes the connection. */
export function answer(
  socket: Socket,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const fields = Object.entries({ ...headers, 'content-type': 'text/plain' }).flat();
  send(socket, { status, headers: fields, body: `${text}\n` });
}

function send(socket: Socket, { status, headers, body }: Answer): void {
  const fields = [...headers, 'connection', 'close', 'content-length', String(Buffer.byteLength(body))];
  const head = fields.map((field, index) => (index % 2 === 0 ? `${field}: ` : `${field}\r\n`)).join('');
  socket.end(`HTTP/1.1 ${status} ${reasonOf(status)}\r\n${head}\r\n${body}`);
  // Closing with bytes unread would be a reset, and the client might lose the answer.
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER).unref();
  socket.once('end', () => socket.destroySoon()).once('close', () => clearTimeout(timer));
}
