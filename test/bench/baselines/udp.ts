/** A bare UDP relay: `node udp.js LISTEN_PORT HOST PORT`. One connected upstream socket for each source. */
import { createSocket, type Socket } from 'node:dgram';

const [listenPort, host, port] = process.argv.slice(2);
const listener = createSocket('udp4');
const upstreams = new Map<string, Upstream>();

/** `early`: what came before the socket was connected. */
interface Upstream {
  readonly socket: Socket;
  early: Buffer[] | undefined;
}

listener.on('message', (message, source) => {
  const key = `${source.address}:${source.port}`;
  const known = upstreams.get(key);
  if (!known) open(key, message, source.address, source.port);
  else if (known.early) known.early.push(message);
  else known.socket.send(message);
});

function open(key: string, message: Buffer, address: string, sourcePort: number): void {
  const socket = createSocket('udp4');
  const upstream: Upstream = { socket, early: [message] };
  upstreams.set(key, upstream);
  socket.on('error', () => {
    upstreams.delete(key);
    socket.close();
  });
  socket.on('message', (reply) => {
    listener.send(reply, sourcePort, address);
  });
  socket.connect(Number(port), host, () => {
    for (const first of upstream.early ?? []) socket.send(first);
    upstream.early = undefined;
  });
}

listener.bind(Number(listenPort));
