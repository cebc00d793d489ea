/** A bare HTTP/1.1 reverse proxy: `node http.js LISTEN_PORT HOST PORT`. */
import { Agent, createServer, request } from 'node:http';

const [listenPort, host, port] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: Infinity, noDelay: true });

createServer((incoming, outgoing) => {
  const { method = 'GET', url = '/', headers } = incoming;
  const upstream = request({ agent, host, port, method, path: url, headers }, (response) => {
    outgoing.writeHead(response.statusCode ?? 502, response.headers);
    response.pipe(outgoing);
  });
  upstream.on('error', () => {
    if (!outgoing.headersSent) outgoing.writeHead(502);
    outgoing.end();
  });
  incoming.pipe(upstream);
}).listen({ port: Number(listenPort), backlog: 4096 });
