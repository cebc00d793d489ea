import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { relay, startProxy } from '../../../../support/proxy.ts';
import { versionOf } from '../../../../support/peer.ts';
import { until } from '../../../../support/until.ts';

const run = promisify(execFile);

describe(`Discard, with ${versionOf('socat', '-V')} as its client`, () => {
  it('takes all, gives nothing back, and ends with the client', async () => {
    const listener = { protocol: 'TCP', address: '127.0.0.1', port: 0 };
    const proxy = await startProxy(relay(listener, { spec: { protocol: 'Discard' } }, {}, { options: { track: 60 } }));
    try {
      const child = run('socat', ['-t', '5', '-', `TCP:127.0.0.1:${proxy.port('in')}`]);
      child.child.stdin?.end('x'.repeat(1_000_000));
      expect((await child).stdout).to.equal('');
      await until('DESTROYED', () => proxy.sessions()[0]?.status === 'DESTROYED');
      const [session] = proxy.sessions();
      expect(session?.reason).to.equal('OK');
      expect(session?.counters.ingress.bytes).to.equal(1_000_000);
      expect(session?.counters.egress.bytes).to.equal(0);
    } finally {
      await proxy.close();
    }
  });
});
