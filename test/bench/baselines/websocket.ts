/** A bare WebSocket relay: `node websocket.js LISTEN_PORT HOST PORT`. */
import { type RawData, WebSocket, WebSocketServer } from 'ws';

const [listenPort, host, port] = process.argv.slice(2);

new WebSocketServer({ port: Number(listenPort), backlog: 4096, perMessageDeflate: false }).on(
  'connection',
  (client, request) => {
    const upstream = new WebSocket(`ws://${host ?? ''}:${port ?? ''}${request.url ?? '/'}`, {
      perMessageDeflate: false,
    });
    const early: { data: RawData; binary: boolean }[] = [];
    client.on('message', (data, binary) => {
      if (upstream.readyState === WebSocket.OPEN) upstream.send(data, { binary });
      else early.push({ data, binary });
    });
    upstream.on('open', () => {
      for (const { data, binary } of early.splice(0)) upstream.send(data, { binary });
    });
    upstream.on('message', (data, binary) => client.send(data, { binary }));
    client.on('close', () => upstream.close());
    upstream.on('close', () => client.close());
    client.on('error', () => upstream.terminate());
    upstream.on('error', () => client.terminate());
  },
);
