import { expect } from 'chai';
import { freePort } from '../../../../support/free-port.ts';
import { hasUdpPort, Peer, versionOf } from '../../../../support/peer.ts';
import { relay, startProxy } from '../../../../support/proxy.ts';
import { until } from '../../../../support/until.ts';

describe(`SIP over UDP, with ${versionOf('sipp', '-v')} at both ends`, () => {
  it('sets calls up and ends them through the proxy', async () => {
    const port = await freePort();
    const common = ['-nostdin', '-i', '127.0.0.1', '-m', '10', '-timeout', '8', '-timeout_error'];
    const server = new Peer('sipp', ['-sn', 'uas', '-p', String(port), ...common]);
    await until("sipp's server", () => hasUdpPort(port));
    const proxy = await startProxy(
      relay(
        { protocol: 'UDP', address: '127.0.0.1', port: 0 },
        { spec: { protocol: 'UDP', port }, endpoints: ['127.0.0.1'] },
      ),
    );
    const client = new Peer('sipp', [
      '-sn',
      'uac',
      `127.0.0.1:${proxy.port('in')}`,
      '-r',
      '20',
      '-d',
      '100',
      ...common,
    ]);
    try {
      expect(await client.exit, client.stderr).to.equal(0);
      expect(proxy.sessions()).to.have.length(1);
      // INVITE, ACK and BYE of each call, and what answers them.
      expect(proxy.sessions()[0]?.counters.ingress.packets).to.be.at.least(30);
      expect(proxy.sessions()[0]?.counters.egress.packets).to.be.at.least(30);
    } finally {
      await client.stop();
      await server.stop();
      await proxy.close();
    }
  });
});
