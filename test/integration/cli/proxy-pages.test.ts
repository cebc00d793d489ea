import { expect } from 'chai';
import { connect } from 'node:net';
import { l7mp, ProxyProcess, runCommand } from '../../support/command.ts';
import { until } from '../../support/until.ts';

const echo = { rules: [{ action: { route: { destination: { spec: { protocol: 'Echo' } } } } }] };

describe('l7mp proxy --http', () => {
  it('has pages for probes and scrapers without the REST API, and tells that it drains', async () => {
    const proxy = await ProxyProcess.start(
      { listeners: [{ name: 'in', spec: { protocol: 'TCP', address: '127.0.0.1', port: 0 }, ...echo }] },
      ['--http', '127.0.0.1:0', '--drain-timeout', '60000'],
    );
    try {
      const { http } = await proxy.logged('ready');
      const get = async (path: string): Promise<string> => {
        const options = ['-s', '-w', ' %{http_code}', `http://${String(http)}${path}`];
        return (await runCommand('curl', options)).stdout;
      };
      expect(await get('/ready')).to.equal('ok\n 200');
      expect(await get('/healthz')).to.equal('ok\n 200');
      expect(await get('/metrics')).to.match(/^l7mp_/mu);
      expect(await get('/api/v1/config')).to.match(/^expected one of .* 404$/su);

      const client = connect(proxy.port(), '127.0.0.1');
      await until('a session', async () => (await proxy.sessions()).length === 1);
      proxy.peer.signal('SIGTERM');
      await until('not ready', async () => (await get('/ready')) === 'not ready\n 503');
      expect(await get('/healthz')).to.equal('ok\n 200');
      client.destroy();
      await proxy.peer.exit;
    } finally {
      await proxy.stop();
    }
  });

  it('refuses what is no address', async () => {
    const { code, stderr } = await l7mp(['proxy', '--http', 'nowhere']);
    expect(stderr).to.equal('l7mp: --http: expected HOST:PORT, as in 127.0.0.1:1235, found "nowhere"\n');
    expect(code).to.equal(2);
  });
});
