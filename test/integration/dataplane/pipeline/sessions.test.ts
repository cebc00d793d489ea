import { expect } from 'chai';
import { createSocket, type Socket } from 'node:dgram';
import { Peer, versionOf } from '../../../support/peer.ts';
import { relay, startProxy, type TestProxy } from '../../../support/proxy.ts';
import { until } from '../../../support/until.ts';

const ECHO = { spec: { protocol: 'Echo' } };
const TCP = { protocol: 'TCP', address: '127.0.0.1', port: 0 };
const UDP = { protocol: 'UDP', address: '127.0.0.1', port: 0 };

describe(`Sessions without answers, with ${versionOf('socat', '-V')}`, () => {
  let proxy: TestProxy;
  const peers: Peer[] = [];
  const sockets: Socket[] = [];

  afterEach(async () => {
    for (const peer of peers.splice(0)) await peer.stop();
    for (const socket of sockets.splice(0)) socket.close();
    await proxy.close();
  });

  const start = async (listener: object, route: object): Promise<void> => {
    proxy = await startProxy(relay(listener, ECHO, route, { options: { track: 10 } }));
  };
  const socat = (): Peer => {
    const peer = new Peer('socat', ['-d', '-t', '5', '-', `TCP:127.0.0.1:${proxy.port('in')}`]);
    peers.push(peer);
    return peer;
  };

  it('of TCP are closed in order where a rule responds', async () => {
    proxy = await startProxy({
      listeners: [{ name: 'in', spec: TCP, rules: [{ action: { respond: { status: 403 } } }], options: { track: 10 } }],
    });
    const peer = socat();
    expect(await peer.exit).to.equal(0);
    expect([peer.stdout, peer.stderr]).to.deep.equal(['', '']);
    expect(proxy.sessions()[0]).to.deep.include({ status: 'DESTROYED', reason: 'RESPONDED' });
  });

  it('of TCP are reset where a fault aborts them', async () => {
    await start(TCP, { fault: { abort: {} } });
    const peer = socat();
    await peer.exit;
    expect(peer.stderr).to.match(/reset by peer/u);
    expect(proxy.sessions()[0]?.reason).to.equal('FAULT_INJECTED');
  });

  it('of TCP wait on purpose, and lose nothing that was said meanwhile, nor anything to fault.drop', async () => {
    await start(TCP, { fault: { delay: { duration: 100 }, drop: { percent: 100 } } });
    const before = performance.now();
    const peer = socat();
    peer.write('early\n');
    await peer.output(/^early$/mu);
    expect(performance.now() - before).to.be.above(99);
  });

  it('end while they wait, where their client goes', async () => {
    await start(TCP, { fault: { delay: { duration: 60_000 } } });
    const peer = socat();
    await until('the session', () => proxy.sessions()[0]?.events.some(({ event }) => event === 'FAULT'));
    await peer.stop();
    await proxy.close(); // with no timer left
    expect(proxy.sessions()[0]?.status ?? 'DESTROYED').to.equal('DESTROYED');
  });

  it('of UDP lose a share of their datagrams, in both directions', async () => {
    await start(UDP, { fault: { drop: { percent: 50 } } });
    const socket = createSocket('udp4');
    sockets.push(socket);
    for (let sent = 0; sent < 400; sent++) {
      await new Promise((resolve) => socket.send('x', proxy.port('in'), '127.0.0.1', resolve));
    }
    const session = await until('all datagrams', () =>
      proxy.sessions().find(({ counters }) => counters.ingress.packets === 400),
    );
    const { ingress, egress } = session.counters;
    expect(ingress.dropped).to.be.within(120, 280);
    expect(egress.packets).to.equal(400 - ingress.dropped);
    expect(egress.dropped).to.be.within(30, 170);
    expect(session.offload.state).to.equal('user');
  });

  it('of TCP are dropped by the weights of a route', async () => {
    proxy = await startProxy({
      listeners: [
        {
          name: 'in',
          spec: TCP,
          rules: [
            {
              action: {
                route: {
                  destinations: [
                    { cluster: 'out', weight: 1 },
                    { respond: { status: 500 }, weight: 1 },
                  ],
                },
              },
            },
          ],
          options: { track: 10 },
        },
      ],
      clusters: [{ name: 'out', ...ECHO }],
    });
    const outcomes = new Set<string>();
    for (let index = 0; index < 100 && outcomes.size < 2; index++) {
      const peer = socat();
      peer.write('hello\n');
      const ended = peer.exit.then(() => 'ended');
      outcomes.add(
        await Promise.race([
          ended,
          peer.output(/^hello$/mu).then(
            () => 'served',
            () => 'ended',
          ),
        ]),
      );
      await peer.stop();
    }
    expect([...outcomes].sort()).to.deep.equal(['ended', 'served']);
  });
});
