/** Clients and echo servers of plain Node.js that check every byte. */
import { randomBytes, randomInt } from 'node:crypto';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** What became of a session. */
export type Outcome = 'complete' | 'cut' | 'corrupt';

/** Sends random bytes in pieces, ends, and compares what comes back. A session that is cut has a true beginning. */
export async function tcpSession(port: number): Promise<Outcome> {
  const sent = randomBytes(randomInt(1, 200_000));
  const chunks: Buffer[] = [];
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('end', () => socket.end());
  const closed = new Promise((resolve) => socket.on('close', resolve)); // `once` would reject at a reset
  for (let at = 0; at < sent.length && !socket.destroyed && socket.writable; at += 10_000) {
    socket.write(sent.subarray(at, at + 10_000));
    await new Promise((resolve) => setTimeout(resolve, 5)); // so that it lasts for a while
  }
  socket.end();
  await closed;
  const received = Buffer.concat(chunks);
  if (received.equals(sent)) return 'complete';
  return received.length < sent.length && received.equals(sent.subarray(0, received.length)) ? 'cut' : 'corrupt';
}

/** Sends numbered datagrams, and counts the answers that are none of them. */
export class UdpClient {
  answers = 0;
  strangers = 0;
  private readonly socket: UdpSocket;
  private readonly sent = new Set<string>();
  private readonly timer: NodeJS.Timeout;

  constructor(port: number) {
    this.socket = createSocket('udp4');
    this.socket.on('message', (message) => {
      if (this.sent.delete(message.toString('latin1'))) this.answers++;
      else this.strangers++;
    });
    this.timer = setInterval(() => {
      const message = randomBytes(randomInt(8, 1000));
      this.sent.add(message.toString('latin1'));
      this.socket.send(message, port, '127.0.0.1');
    }, 5);
  }

  close(): void {
    clearInterval(this.timer);
    this.socket.close();
  }
}

/** An echo server that is killed and comes back on its port. */
export class Endpoint {
  port = 0;
  private server: Server | undefined;
  private readonly sockets = new Set<Socket>();

  async start(): Promise<void> {
    this.server = createServer({ allowHalfOpen: true }, (socket) => {
      this.sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => this.sockets.delete(socket));
      socket.pipe(socket);
    });
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
  }

  async kill(): Promise<void> {
    const { server } = this;
    if (!server?.listening) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.sockets) socket.resetAndDestroy();
    await closed;
  }
}
