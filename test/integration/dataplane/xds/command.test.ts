/** The built command with a control plane. */
import { expect } from 'chai';
import { Peer } from '../../../support/peer.ts';
import { RawControlPlane } from '../../../support/raw-control-plane.ts';

describe('the built command with a control plane', () => {
  it('tells who it is, and serves what it gets', async () => {
    const plane = await RawControlPlane.start({ auto: true });
    plane.set('Listener', { name: 'in', spec: { tcp: { address: '127.0.0.1', port: 0 } }, rules: 'rl' } as never);
    plane.set('RuleList', { name: 'rl' });
    const args = ['proxy', '--no-api', '--controlplane', plane.address, '--id', 'edge-1', '--labels', 'zone=a'];
    const proxy = new Peer('bin/l7mp', args);
    try {
      await proxy.output(/"listener":"in","address":"127\.0\.0\.1:\d+","msg":"listener serves"/u);
      const { node } = await (await plane.stream()).request('Secret');
      expect(node).to.deep.include({ id: 'edge-1', metadata: { labels: { zone: 'a' } } });
    } finally {
      proxy.signal('SIGTERM');
      expect(await proxy.exit).to.equal(0);
      plane.stop();
    }
  });

  it('says what is wrong with its options', async () => {
    const proxy = new Peer('bin/l7mp', ['proxy', '--no-api', '--controlplane', 'here', '--controlplane-key', 'x']);
    expect(await proxy.exit).to.equal(2);
    expect(proxy.stderr).to.include('--controlplane: expected HOST:PORT, found "here"');
    expect(proxy.stderr).to.include('--controlplane-key: expected --controlplane-cert beside it, found none');
  });
});
