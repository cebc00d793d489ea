import { expect } from 'chai';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer as createHttp1Server } from 'node:http';
import { connect, createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { loadText } from '../../../../../config/load.ts';
import type { ConnectorContext, ConnectRequest, ListenerContext } from '../../../../../dataplane/core/protocol.ts';
import { createConnector } from '../../../../../dataplane/protocols/http/connector.ts';
import { createListener } from '../../../../../dataplane/protocols/http/listener.ts';
import type { HttpCluster, HttpListener } from '../../../../../gen/l7mp/config/v1/types.ts';
import { recordingLogger } from '../../../../support/cluster.ts';
import { relay } from '../../../../support/proxy.ts';
import { RecordingSink } from '../../../../support/recording-sink.ts';
import { until } from '../../../../support/until.ts';

/** The specs of a listener and a cluster, with every default. */
async function specs(more: object): Promise<{ listener: HttpListener; cluster: HttpCluster }> {
  const spec = { protocol: 'HTTP', address: '127.0.0.1', port: 0, ...more };
  const text = JSON.stringify(relay(spec, { spec: { protocol: 'HTTP', idle_timeout: 0, ...more } }));
  const { listeners, clusters } = await loadText(text);
  return {
    listener: listeners.get('in')?.value.spec as HttpListener,
    cluster: clusters.get('out')?.value.spec as HttpCluster,
  };
}

describe('HTTP that is closed in the middle', () => {
  for (const version of ['1.1', '2']) {
    it(`keeps no connection of HTTP/${version} that was being connected when its cluster was closed`, async () => {
      const server = version === '2' ? createHttp2Server() : createHttp1Server({ keepAliveTimeout: 0 }); // it closes none by itself
      const open = new Set<Socket>();
      server.on('request', (_request: unknown, response: { end(text: string): void }) => response.end('here'));
      server.on('connection', (socket: Socket) => {
        open.add(socket);
        socket.once('close', () => open.delete(socket));
      });
      await once(server.listen(0, '127.0.0.1'), 'listening');
      try {
        const { port } = server.address() as AddressInfo;
        const { cluster: spec } = await specs({ version });
        const connector = createConnector({ spec } as ConnectorContext<HttpCluster>);
        const target = { name: 'out', address: '127.0.0.1', hostname: '127.0.0.1', port, connectionKey: 'out' };
        const request = {
          metadata: {},
          target,
          timeout: 10_000,
          signal: new AbortController().signal,
          altered: false,
          onAbort: () => undefined,
          report: () => undefined,
        };
        const connecting = connector.connect(request as unknown as ConnectRequest);
        await connector.close?.();
        const sink = new RecordingSink();
        const stream = await connecting;
        stream.open(sink);
        stream.end();
        await until('the answer', () => sink.events.includes('close'));
        expect(Buffer.concat(sink.chunks).toString()).to.equal('here');
        await until('the connection to go', () => open.size === 0);
      } finally {
        for (const socket of open) socket.destroy();
        await new Promise((resolve) => server.close(resolve));
      }
    });
  }

  it('lets go of a connection that came when its listener was closed, before HTTP/2 was there to serve it', async () => {
    const { listener: spec } = await specs({ version: '2' });
    const accept = (): boolean => true;
    const log = recordingLogger();
    const listener = createListener({ spec, accept, log } as unknown as ListenerContext<HttpListener>);
    await listener.start();
    /** Node.js tells of a connection when its server has heard of it, in the same turn. */
    const accepted = new Promise<Socket>((resolve) => {
      const hear = (message: unknown): void => {
        const { socket } = message as { socket: Socket };
        if (`127.0.0.1:${socket.localPort}` !== listener.address) return;
        unsubscribe('net.server.socket', hear);
        void listener.close();
        resolve(socket);
      };
      subscribe('net.server.socket', hear);
    });
    const client = connect(`http://${listener.address}`);
    try {
      await once(client, 'close');
    } finally {
      client.destroy();
      (await accepted).destroy();
    }
  });
});
