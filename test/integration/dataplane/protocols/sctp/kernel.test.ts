import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { descriptors, expectNoMoreThan } from '../../../../support/descriptors.ts';
import { Peer, versionOf } from '../../../../support/peer.ts';
import { relay, startProxy } from '../../../../support/proxy.ts';

const hasSctp = /^SCTP\s/mu.test(readFileSync('/proc/net/protocols', 'utf8'));
const missing = 'SCTP: expected a kernel with CONFIG_IP_SCTP (as a module: modprobe sctp), found one without';

describe(`SCTP, on a kernel ${release()} ${hasSctp ? 'with' : 'without'} it`, () => {
  const listener = { protocol: 'SCTP', address: '127.0.0.1', port: 0 };
  let before: string[];

  beforeEach(() => (before = descriptors()));
  afterEach(() => expectNoMoreThan(before));

  if (hasSctp) {
    it(`echoes what ${versionOf('socat', '-V')} sends`, async () => {
      const proxy = await startProxy(relay(listener, { spec: { protocol: 'Echo' } }));
      const peer = new Peer('socat', ['-t', '5', '-', `SCTP:127.0.0.1:${proxy.port('in')}`]);
      peer.write('hello');
      await peer.output(/hello/u);
      await peer.stop();
      await proxy.close();
    });
  } else {
    it('refuses to listen, and names what the kernel lacks', async () => {
      const refused = await startProxy(relay(listener, { spec: { protocol: 'Echo' } })).catch(String);
      expect(refused).to.contain(`UNSUPPORTED: ${missing}`);
    });

    it('refuses to connect, and names what the kernel lacks', async () => {
      const proxy = await startProxy(
        relay(
          { protocol: 'TCP', address: '127.0.0.1', port: 0 },
          { spec: { protocol: 'SCTP', port: 9 }, endpoints: ['127.0.0.1'] },
          {},
          {
            options: { track: 10 },
          },
        ),
      );
      const peer = new Peer('socat', ['-', `TCP:127.0.0.1:${proxy.port('in')}`]);
      await peer.exit;
      const [session] = proxy.sessions();
      expect(session?.reason).to.equal('UNSUPPORTED');
      expect(session?.events.find(({ event }) => event === 'END')?.message).to.equal(missing);
      await proxy.close();
    });
  }
});
