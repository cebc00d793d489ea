/** Short sessions of every kind through a proxy on this host: each sends a message, checks its echo, and closes. */
import { createSocket } from 'node:dgram';
import { createServer as createHttpServer, request } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';

export type SessionKind = 'tcp' | 'udp' | 'http' | 'websocket';

/** An echo server of a kind, on a port of its own. */
export interface EchoServer {
  readonly port: number;
  close(): void;
}

const MESSAGE = Buffer.alloc(512, 'soak');
const LIMIT_MS = 5000;
const HOST = '127.0.0.1';

/** Starts an echo server. */
export const startEcho: Readonly<Record<SessionKind, () => Promise<EchoServer>>> = {
  tcp: () => {
    const server = createServer((socket) => socket.on('error', () => socket.destroy()).pipe(socket));
    return whenListening(server.listen(0, HOST));
  },
  udp: () => {
    const server = createSocket('udp4');
    server.on('message', (message, { port, address }) => server.send(message, port, address));
    server.bind(0, HOST);
    return whenListening(server);
  },
  http: () => whenListening(createHttpServer((incoming, outgoing) => incoming.pipe(outgoing)).listen(0, HOST)),
  websocket: async () => {
    const http = createHttpServer();
    new WebSocketServer({ server: http }).on('connection', (socket) => {
      socket.on('message', (data, binary) => socket.send(data, { binary }));
    });
    return whenListening(http.listen(0, HOST));
  },
};

interface Listening {
  once(event: 'listening', listener: () => void): unknown;
  address(): AddressInfo | string | null;
  close(): unknown;
}

function whenListening(server: Listening): Promise<EchoServer> {
  return new Promise((resolve) => {
    server.once('listening', () => {
      resolve({ port: (server.address() as AddressInfo).port, close: () => void server.close() });
    });
  });
}

/** Runs one session on the proxy's port; rejects where the echo is late or wrong. */
export function runSession(kind: SessionKind, port: number, holdMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => end(new Error(`${kind}: no echo within ${LIMIT_MS} ms`)), LIMIT_MS + holdMs);
    let ended = false;
    const end = (error?: Error): void => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      session.close();
      if (error) reject(error);
      else resolve();
    };
    const received: Buffer[] = [];
    const receive = (chunk: Buffer): void => {
      received.push(chunk);
      const all = Buffer.concat(received);
      if (all.equals(MESSAGE)) setTimeout(end, holdMs);
      else if (all.length >= MESSAGE.length) end(new Error(`${kind}: the echo is not what was sent`));
    };
    const session = OPEN[kind](port, receive, end);
  });
}

type Open = (
  port: number,
  receive: (chunk: Buffer) => void,
  fail: (error: Error) => void,
) => { readonly close: () => void };

const OPEN: Readonly<Record<SessionKind, Open>> = {
  tcp: (port, receive, fail) => {
    const socket = connect(port, HOST, () => socket.write(MESSAGE));
    socket.on('data', receive).on('error', fail);
    socket.on('end', () => fail(new Error('tcp: it was closed without an echo')));
    return { close: () => socket.end() };
  },
  udp: (port, receive, fail) => {
    const socket = createSocket('udp4').on('message', receive).on('error', fail);
    socket.send(MESSAGE, port, HOST);
    return { close: () => socket.close() };
  },
  http: (port, receive, fail) => {
    const outgoing = request({ port, host: HOST, method: 'POST', agent: false }, (response) => {
      response.on('data', receive);
    });
    outgoing.on('error', fail).end(MESSAGE);
    return { close: () => outgoing.destroy() };
  },
  websocket: (port, receive, fail) => {
    const socket = new WebSocket(`ws://${HOST}:${port}/`);
    socket
      .on('open', () => socket.send(MESSAGE))
      .on('message', receive)
      .on('error', fail);
    return { close: () => socket.close() };
  },
};
