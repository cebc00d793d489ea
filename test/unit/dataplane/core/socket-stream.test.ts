/** How connections are closed. */
import { expect } from 'chai';
import { createServer, connect, type AddressInfo, Socket } from 'node:net';
import { once } from 'node:events';
import { SocketStream } from '../../../../dataplane/core/socket-stream.ts';
import { RecordingSink } from '../../../support/recording-sink.ts';
import { until } from '../../../support/until.ts';

describe('a stream over a socket', () => {
  const calls: string[] = [];
  let client: Socket;
  let peer: Socket;

  beforeEach(async () => {
    calls.length = 0;
    const server = createServer({ allowHalfOpen: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
    [peer] = (await once(server, 'connection')) as [Socket];
    if (client.connecting) await once(client, 'connect');
    server.close();
    const end: () => Socket = client.end.bind(client);
    client.end = (): Socket => {
      calls.push('end');
      return end();
    };
  });

  afterEach(() => {
    client.destroy();
    peer.destroy();
  });

  it('tells of its end, and hears on', async () => {
    const stream = new SocketStream(client);
    const sink = new RecordingSink();
    stream.open(sink);
    stream.end();
    expect(calls).to.deep.equal(['end']);
    peer.end('heard').resume();
    await until('its close', () => sink.events.includes('close'));
    expect(Buffer.concat(sink.chunks).toString()).to.equal('heard');
  });

  it('is closed at once where it has heard the end, and all is written: the peer hears the end, not a reset', async () => {
    const stream = new SocketStream(client);
    const sink = new RecordingSink();
    stream.open(sink);
    peer.end();
    await until('its end', () => sink.events.includes('end'));
    stream.write(Buffer.from('last'));
    stream.end();
    expect(calls).to.deep.equal([]);
    const heard: Buffer[] = [];
    peer.on('data', (chunk: Buffer) => heard.push(chunk));
    await once(peer, 'end');
    expect(Buffer.concat(heard).toString()).to.equal('last');
    await until('its close', () => sink.events.includes('close'));
  });
});
