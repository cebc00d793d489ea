import { expect } from 'chai';
import { freePort } from '../../../../support/free-port.ts';
import { hasTcpPort, hasUdpPort, Peer, versionOf } from '../../../../support/peer.ts';
import { relay, startProxy, type TestProxy } from '../../../../support/proxy.ts';
import { until } from '../../../../support/until.ts';

describe(`DNS, between ${versionOf('dig', '-v')} and ${versionOf('dnsmasq', '--version')}`, () => {
  let port: number;
  let server: Peer;
  let proxy: TestProxy | undefined;

  beforeEach(async () => {
    const records = ['--host-record=l7mp.test,192.0.2.7,2001:db8::7', `--txt-record=long.test,${'x'.repeat(200)}`];
    const options = ['--keep-in-foreground', '--conf-file=/dev/null', '--no-resolv', '--no-hosts', '--pid-file='];
    port = await freePort();
    const where = [`--port=${port}`, '--listen-address=127.0.0.1', '--bind-interfaces', '--user=root'];
    server = new Peer('dnsmasq', [...options, ...where, ...records]);
    await until('dnsmasq', () => hasUdpPort(port) && hasTcpPort(port));
  });

  afterEach(async () => {
    await server.stop();
    await proxy?.close();
    proxy = undefined;
  });

  const ask = async (...args: string[]): Promise<string> => {
    const where = ['@127.0.0.1', '-p', String(proxy?.port('in')), '+short', '+tries=1', '+time=5'];
    const dig = new Peer('dig', [...where, ...args]);
    expect(await dig.exit, dig.stdout).to.equal(0);
    return dig.stdout.trim();
  };

  const udp = { protocol: 'UDP', address: '127.0.0.1', port: 0 };
  const tcp = { protocol: 'TCP', address: '127.0.0.1', port: 0 };
  const framing = 'length-prefix-2';
  const cluster = (protocol: string): object => ({ spec: { protocol, port }, endpoints: ['127.0.0.1'] });

  it('passes over UDP', async () => {
    proxy = await startProxy(relay(udp, cluster('UDP')));
    expect(await ask('l7mp.test', 'A')).to.equal('192.0.2.7');
    expect(await ask('l7mp.test', 'AAAA')).to.equal('2001:db8::7');
    expect(await ask('long.test', 'TXT')).to.equal(`"${'x'.repeat(200)}"`);
  });

  it('of a client over TCP reaches a server over UDP', async () => {
    proxy = await startProxy(relay(tcp, cluster('UDP'), {}, { options: { framing } }));
    expect(await ask('+tcp', 'l7mp.test', 'A')).to.equal('192.0.2.7');
    expect(await ask('+tcp', '+keepopen', 'l7mp.test', 'A', 'long.test', 'TXT')).to.equal(
      `192.0.2.7\n"${'x'.repeat(200)}"`,
    );
  });

  it('of a client over UDP reaches a server over TCP', async () => {
    proxy = await startProxy(relay(udp, { ...cluster('TCP'), framing }));
    expect(await ask('l7mp.test', 'A')).to.equal('192.0.2.7');
  });
});
