/** A bare HTTP/2 reverse proxy without TLS: `node http2.js LISTEN_PORT HOST PORT`. */
import { type ClientHttp2Session, connect, createServer } from 'node:http2';

const [listenPort, host, port] = process.argv.slice(2);
let upstream: ClientHttp2Session | undefined;

function upstreamSession(): ClientHttp2Session {
  if (upstream && !upstream.closed && !upstream.destroyed) return upstream;
  upstream = connect(`http://${host ?? ''}:${port ?? ''}`);
  upstream.on('error', () => undefined); // its streams have the error, too
  return upstream;
}

createServer()
  .on('stream', (stream, headers) => {
    const request = upstreamSession().request(headers);
    request.on('response', (response) => {
      stream.respond(response);
      request.pipe(stream);
    });
    request.on('error', () => stream.close());
    stream.on('error', () => request.close());
    stream.pipe(request);
  })
  .listen({ port: Number(listenPort), backlog: 4096 });
