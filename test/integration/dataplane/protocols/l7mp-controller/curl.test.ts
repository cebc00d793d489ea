import { execFile } from 'node:child_process';
import { type AddressInfo, createServer } from 'node:net';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { loadText } from '../../../../../config/load.ts';
import { createProxy } from '../../../../../dataplane/main.ts';
import { versionOf } from '../../../../support/peer.ts';
import { startProxy, type TestProxy } from '../../../../support/proxy.ts';

const run = promisify(execFile);

describe(`L7mpController behind an HTTP listener, as in l7mp's own files, with ${versionOf('curl', '--version')}`, () => {
  let proxy: TestProxy;

  beforeEach(async () => {
    const route = { destination: 'controller' };
    proxy = await startProxy({
      listeners: [
        {
          name: 'controller-listener',
          spec: { protocol: 'HTTP', address: '127.0.0.1', port: 0 },
          rules: [{ action: { route } }],
        },
        { name: 'raw', spec: { protocol: 'TCP', address: '127.0.0.1', port: 0 }, rules: [{ action: { route } }] },
      ],
      clusters: [{ name: 'controller', spec: { protocol: 'L7mpController' } }],
    });
  });

  afterEach(() => proxy.close());

  const curl = async (path: string, ...args: string[]): Promise<{ status: number; body: string }> => {
    const url = `http://127.0.0.1:${proxy.port('controller-listener')}${path}`;
    const { stdout } = await run('curl', ['-sS', '-w', '\n%{http_code}', ...args, url], { maxBuffer: 1 << 26 });
    const end = stdout.lastIndexOf('\n');
    return { status: Number(stdout.slice(end + 1)), body: stdout.slice(0, end) };
  };

  it('answers what is asked, and changes what it is told to', async () => {
    const cluster = { cluster: { name: 'new', spec: { protocol: 'Echo' } } };
    const json = ['-H', 'Content-Type: application/json'];
    expect((await curl('/api/v1/clusters', ...json, '-d', JSON.stringify(cluster))).status).to.equal(200);
    const { status, body } = await curl('/api/v1/clusters/new?recursive=true');
    expect(status).to.equal(200);
    expect(JSON.parse(body)).to.deep.include({ name: 'new' });
    expect((await curl('/no/such/path')).status).to.equal(404);
  });

  it('answers who names a loopback address, and no page that made its own name lead here', async () => {
    const port = proxy.port('controller-listener');
    const asking = async (...headers: readonly string[]): Promise<number> =>
      (await curl('/api/v1/clusters', ...headers.flatMap((header) => ['-H', header]))).status;
    for (const host of ['localhost', `LOCALHOST:${port}`, '127.8.8.8', '[::1]:80']) {
      expect(await asking(`Host: ${host}`), host).to.equal(200);
    }
    expect(await asking(`Origin: http://127.0.0.1:${port}`)).to.equal(200);
    for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1.evil.example', '10.0.0.1', '[::2]']) {
      expect(await asking(`Host: ${host}`), host).to.equal(403);
    }
    for (const origin of ['http://evil.example', 'null', 'http://127.0.0.1:1']) {
      expect(await asking(`Origin: ${origin}`), origin).to.equal(403);
    }
    expect(await asking('Host: evil.example', 'Origin: http://evil.example')).to.equal(403);
  });

  it('answers a body that is too large with 413, and lives on', async () => {
    const code = "process.stdout.write(Buffer.alloc(17 * 1024 * 1024, ' '))";
    const url = `http://127.0.0.1:${proxy.port('controller-listener')}/api/v1/clusters`;
    const pipe = `node -e "${code}" | curl -sS -o /dev/null -w '%{http_code}' -H Expect: --data-binary @- ${url}`;
    expect((await run('sh', ['-c', pipe])).stdout).to.equal('413');
    expect((await curl('/api/v1/clusters')).status).to.equal(200);
  });

  it('is enough where another program has the port of the API; without it the proxy does not start', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const start = async (clusters: object[]): ReturnType<typeof createProxy> =>
      createProxy({
        config: await loadText(JSON.stringify({ admin: { api: { port } }, clusters })),
        logLevel: 'silent',
      });
    const second = await start([{ name: 'own', spec: { protocol: 'L7mpController' } }]);
    expect(second.apiAddress).to.equal(undefined);
    await second.close();
    expect(await start([]).catch(String)).to.contain('admin.api: expected to listen, found ADDRESS_IN_USE');
    await new Promise((resolve) => other.close(resolve));
  });

  it('takes what is no HTTP for GET /', async () => {
    const { stdout } = await run('socat', ['-u', `TCP4:127.0.0.1:${proxy.port('raw')}`, '-']);
    expect(stdout).to.include('/metrics');
  });
});
