import { expect } from 'chai';
import { ProxyProcess } from '../../support/command.ts';
import { Peer, PYTHON, versionOf } from '../../support/peer.ts';
import { until } from '../../support/until.ts';

const COUNT = 5000;

describe(`many sessions, with ${versionOf(PYTHON, '--version')}`, () => {
  it(`holds ${COUNT}, echoes through all of them at once, and forgets them`, async () => {
    const proxy = await ProxyProcess.start({
      listeners: [
        {
          name: 'in',
          spec: { protocol: 'TCP', address: '127.0.0.1', port: 0 },
          rules: [{ action: { route: { destination: { spec: { protocol: 'Echo' } } } } }],
        },
      ],
    });
    const clients = new Peer(PYTHON, ['test/integration/operation/clients.py', String(proxy.port()), String(COUNT)]);
    const active = async (): Promise<number> => {
      const { text } = await proxy.get('/metrics');
      return Number(/^l7mp_sessions_active\{listener="in"[^}]*\} (\d+)/mu.exec(text)?.[1]);
    };
    try {
      await until('the connections', () => clients.stdout.includes(`open ${COUNT}\n`));
      await until('the sessions', async () => (await active()) === COUNT);
      for (const text of ['once', 'again']) {
        clients.write(`${text}\n`);
        const [, right] = await clients.output(/^echoed (\d+)\n$/mu);
        expect(right, clients.stderr).to.equal(String(COUNT));
        clients.stdout = '';
      }
      expect(await proxy.sessions()).to.have.length(COUNT);
      clients.endInput();
      expect(await clients.exit).to.equal(0);
      await until('the end of the sessions', async () => (await active()) === 0);
      expect(await proxy.sessions()).to.deep.equal([]);
    } finally {
      await clients.stop();
      await proxy.stop();
    }
  }).timeout(30_000);
});
