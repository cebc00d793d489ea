/** Takes whatever is exported by OTLP over HTTP, and says that all is well: `node collector.js PORT`. */
import { createServer } from 'node:http';

createServer((request, response) => {
  request.resume().on('end', () => response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end());
}).listen(Number(process.argv[2]));
