/** A bare TCP relay: `node tcp.js LISTEN_PORT HOST PORT`. */
import { connect, createServer } from 'node:net';

const [listenPort, host, port] = process.argv.slice(2);

createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  const upstream = connect({ host: host ?? '', port: Number(port), allowHalfOpen: true, noDelay: true });
  client.pipe(upstream);
  upstream.pipe(client);
  client.on('error', () => upstream.destroy());
  upstream.on('error', () => client.destroy());
}).listen({ port: Number(listenPort), backlog: 4096 });
