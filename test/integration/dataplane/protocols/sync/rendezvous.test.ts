import { expect } from 'chai';
import { Peer, PYTHON, packageVersion, versionOf } from '../../../../support/peer.ts';
import { startProxy } from '../../../../support/proxy.ts';
import { until } from '../../../../support/until.ts';

describe(`Sync, with ${versionOf('socat', '-V')} and Python's ${packageVersion('websockets')}`, () => {
  it('joins clients of all protocols, and goes on when one leaves', async () => {
    const rules = [{ action: { rewrite: [{ path: '/room', value: 'lobby' }], route: { destination: 'room' } } }];
    const spec = { address: '127.0.0.1', port: 0 };
    const proxy = await startProxy({
      listeners: ['UDP', 'TCP', 'WebSocket'].map((protocol) => ({
        name: protocol,
        spec: { protocol, ...spec },
        rules,
      })),
      clusters: [{ name: 'room', spec: { protocol: 'Sync', query: '/room' } }],
    });
    const udp = new Peer('socat', ['-', `UDP4:127.0.0.1:${proxy.port('UDP')}`]);
    const tcp = new Peer('socat', ['-', `TCP4:127.0.0.1:${proxy.port('TCP')}`]);
    const webSocket = new Peer(PYTHON, [
      '-uc',
      `
import asyncio, websockets
async def main():
    async with websockets.connect('ws://127.0.0.1:${proxy.port('WebSocket')}/') as peer:
        async for message in peer:
            print(message)
            await peer.send('heard ' + (message if isinstance(message, str) else message.decode()))
asyncio.run(main())`,
    ]);
    try {
      udp.write('hello'); // nobody but the others hears it, if they are there already
      await until('all three', () => proxy.sessions().filter(({ status }) => status === 'CONNECTED').length === 3);
      udp.write('from udp');
      await tcp.output(/from udp/u);
      await webSocket.output(/from udp/u);
      await tcp.output(/heard from udp/u);
      await udp.output(/heard from udp/u);
      expect(udp.stdout).to.not.match(/^from udp/u);
      await webSocket.stop();
      await until('the end of one', () => proxy.sessions().length === 2);
      tcp.write('from tcp');
      await udp.output(/from tcp/u);
    } finally {
      await Promise.all([udp.stop(), tcp.stop(), webSocket.stop()]);
      await proxy.close();
    }
  });
});
