import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../../../support/free-port.ts';
import { hasTcpPort, Peer, versionOf } from '../../../../support/peer.ts';
import { relay, startProxy, type TestProxy } from '../../../../support/proxy.ts';
import { until } from '../../../../support/until.ts';

const run = promisify(execFile);
const ANSWER = 'HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nhi';

describe(`PROXY headers of TCP, with ${versionOf('haproxy', '-v').split('-')[0]} and ${versionOf('curl', '--version')}`, () => {
  let directory: string;
  let proxy: TestProxy | undefined;
  let haproxy: Peer | undefined;

  before(() => (directory = mkdtempSync(join(tmpdir(), 'l7mp-'))));
  after(() => rmSync(directory, { recursive: true }));
  afterEach(async () => {
    await haproxy?.stop();
    await proxy?.close();
    haproxy = undefined;
  });

  /** `section`: what stands behind `bind`. */
  async function startHaproxy(mode: 'http' | 'tcp', options: string, section: string): Promise<number> {
    const port = await freePort();
    const file = join(directory, 'haproxy.cfg');
    const timeouts = ['client', 'server', 'connect'].map((name) => `  timeout ${name} 10s\n`).join('');
    writeFileSync(
      file,
      `global\n  maxconn 50\ndefaults\n  mode ${mode}\n${timeouts}listen l\n  bind 127.0.0.1:${port} ${options}\n  ${section}\n`,
    );
    haproxy = new Peer('haproxy', ['-db', '-f', file]);
    await until('haproxy', () => hasTcpPort(port));
    return port;
  }

  const listen = async (mode: string): Promise<void> => {
    const listener = { protocol: 'TCP', address: '127.0.0.1', port: 0, proxy_protocol: mode };
    const cluster = { spec: { protocol: 'StdioFork', command: 'sh', args: ['-c', `read line; printf '${ANSWER}'`] } };
    proxy = await startProxy(relay(listener, cluster, {}, { options: { track: 10 } }));
  };
  /** What curl was answered, and the port that it came from. */
  const curl = async (port: number, ...args: string[]): Promise<[body: string, source: number]> => {
    const format = ['-sS', '--max-time', '5', '--http1.1', '-w', '\n%{local_port}'];
    const { stdout } = await run('curl', [...format, ...args, `http://127.0.0.1:${port}/`]);
    const [body = '', source] = stdout.split('\n');
    return [body, Number(source)];
  };

  for (const mode of ['optional', 'required']) {
    it(`are read where they are ${mode}: version 1, of curl`, async () => {
      await listen(mode);
      const [body, source] = await curl(proxy!.port('in'), '--haproxy-protocol');
      expect(body).to.equal('hi');
      expect(proxy?.sessions()[0]?.metadata).to.nested.include({ 'TCP.src_port': source, 'PROXY.version': 1 });
    });
  }

  for (const [version, option] of [
    [1, 'send-proxy'],
    [2, 'send-proxy-v2'],
    [2, 'send-proxy-v2 proxy-v2-options unique-id,crc32c'],
  ] as const) {
    it(`tell who the client of a balancer is: ${option}`, async () => {
      await listen('required');
      const more = option.includes('unique-id') ? 'unique-id-format id-%cp\n  ' : '';
      const port = await startHaproxy('tcp', '', `${more}server s 127.0.0.1:${proxy!.port('in')} ${option}`);
      await until('the first look', () => proxy?.sessions().every(({ status }) => status === 'DESTROYED') === true);
      const [body, source] = await curl(port);
      expect(body).to.equal('hi');
      const session = proxy?.sessions().find(({ name }) => name.includes(`:${source}-`));
      expect(session?.name).to.equal(`TCP:127.0.0.1:${source}-127.0.0.1:${port}`);
      expect(session?.metadata).to.deep.nested.include({
        IP: { src_addr: '127.0.0.1', dst_addr: '127.0.0.1' },
        TCP: { src_port: source, dst_port: port },
        'PROXY.version': version,
        'PROXY.proxy_addr': '127.0.0.1',
      });
    });
  }

  it('are not missed where they are optional', async () => {
    await listen('optional');
    const [body, source] = await curl(proxy!.port('in'));
    expect(body).to.equal('hi');
    expect(proxy?.sessions()[0]?.metadata)
      .to.nested.include({ 'TCP.src_port': source })
      .and.not.to.have.property('PROXY');
  });

  it('are wanted where they are required', async () => {
    await listen('required');
    const refused = (await curl(proxy!.port('in')).catch((error: unknown) => error)) as { code: number };
    expect(refused.code).to.be.oneOf([52, 56]); // nothing came, or a reset
    expect(proxy?.sessions()).to.deep.equal([]);
  });

  for (const version of ['v1', 'v2']) {
    it(`are sent to an endpoint (${version})`, async () => {
      const text = 'lf-string "%[src]:%[src_port]-%[dst]:%[dst_port]"';
      const port = await startHaproxy(
        'http',
        'accept-proxy',
        `http-request return status 200 content-type text/plain ${text}`,
      );
      const cluster = { spec: { protocol: 'TCP', port, proxy_protocol: version }, endpoints: ['127.0.0.1'] };
      proxy = await startProxy(relay({ protocol: 'TCP', address: '127.0.0.1', port: 0 }, cluster));
      const [body, source] = await curl(proxy.port('in'));
      expect(body).to.equal(`127.0.0.1:${source}-127.0.0.1:${proxy.port('in')}`);
    });
  }
});
