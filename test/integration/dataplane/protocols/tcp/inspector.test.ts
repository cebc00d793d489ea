import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate } from '../../../../support/certificates.ts';
import { Peer, versionOf } from '../../../../support/peer.ts';
import { startProxy, type TestProxy } from '../../../../support/proxy.ts';
import { until } from '../../../../support/until.ts';

describe(`A TCP listener that looks at passing TLS, with ${versionOf('openssl', 'version')} and ${versionOf('socat', '-V')}`, () => {
  let directory: string;
  const servers: Peer[] = [];
  const ports: Record<string, number> = {};
  let proxy: TestProxy | undefined;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
    for (const name of ['a.example', 'b.example']) {
      const { cert, key } = makeCertificate(directory, name, `DNS:${name}`);
      const args = ['-accept', '127.0.0.1:0', '-cert', cert, '-key', key, '-alpn', 'h2,other', '-rev'];
      const server = new Peer('openssl', ['s_server', ...args]);
      servers.push(server);
      const [, port = ''] = await server.output(/^ACCEPT 127\.0\.0\.1:(\d+)$/mu);
      ports[name] = Number(port);
    }
  });
  after(async () => {
    for (const server of servers) await server.stop();
    rmSync(directory, { recursive: true });
  });

  beforeEach(() => start({}));
  afterEach(() => proxy?.close());

  const start = async (more: object): Promise<void> => {
    const to = (name: string): object => ({
      route: { destination: { spec: { protocol: 'TCP' }, endpoints: [`127.0.0.1:${ports[name]}`] } },
    });
    proxy = await startProxy({
      listeners: [
        {
          name: 'in',
          spec: { protocol: 'TCP', address: '127.0.0.1', port: 0, tls_inspector: true, ...more },
          rules: [
            { match: { op: 'test', path: '/TLS/sni', value: 'a.example' }, action: to('a.example') },
            { match: { op: 'ends', path: '/TLS/sni', value: '.example' }, action: to('b.example') },
            { match: { op: 'defined', path: '/TLS' }, action: { respond: { status: 421 } } },
            { action: { route: { destination: { spec: 'echo' } } } },
          ],
          options: { track: 10 },
        },
      ],
    });
  };

  /** The subject of the certificate that a client is shown. */
  async function shown(...args: string[]): Promise<string> {
    const peer = new Peer('openssl', ['s_client', '-connect', `127.0.0.1:${proxy!.port('in')}`, '-ign_eof', ...args]);
    peer.write('hello\n');
    await peer.output(/^olleh$/mu);
    await peer.stop();
    return /subject=CN ?= ?(\S+)/u.exec(peer.stdout)?.[1] ?? 'none';
  }

  for (const [version, flag] of [
    ['TLS 1.3', '-tls1_3'],
    ['TLS 1.2', '-tls1_2'],
  ] as const) {
    it(`routes ${version} by the name that the client asks for, untouched`, async () => {
      expect(await shown(flag, '-servername', 'a.example')).to.equal('a.example');
      expect(await shown(flag, '-servername', 'X.example', '-alpn', 'other,h2')).to.equal('b.example');
      expect(proxy?.sessions().map(({ metadata }) => metadata['TLS'])).to.deep.include({
        sni: 'x.example',
        offered_alpn: ['other', 'h2'],
      });
    });
  }

  it('has no name of a client that asks for none', async () => {
    const peer = new Peer('openssl', ['s_client', '-connect', `127.0.0.1:${proxy!.port('in')}`, '-noservername']);
    expect(await peer.exit).not.to.equal(0);
    expect(proxy?.sessions()[0]).to.deep.include({ reason: 'RESPONDED' });
    expect(proxy?.sessions()[0]?.metadata['TLS']).to.deep.equal({ offered_alpn: [] });
  });

  it('takes what is no TLS as what it is', async () => {
    const peer = new Peer('socat', ['-t', '5', '-', `TCP:127.0.0.1:${proxy!.port('in')}`]);
    peer.write('plain text\n');
    await peer.output(/^plain text$/mu);
    await peer.stop();
    expect(proxy?.sessions()[0]?.metadata).not.to.have.property('TLS');
  });

  /** A client that has said nothing of its own. */
  const open = async (): Promise<Socket> => {
    const socket = connect(proxy!.port('in'), '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    return socket;
  };
  const received = (socket: Socket): Promise<string> =>
    new Promise((resolve, reject) => {
      let text = '';
      socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
      socket.once('end', () => resolve(text)).once('error', reject);
    });

  it('has a session of a client that says nothing, after a while, and of one that only closes', async () => {
    await proxy?.close();
    await start({ tls_inspector_timeout: 50 });
    const silent = await open();
    await until('its session', () => proxy?.sessions().length === 1);
    silent.destroy();
    await until('its end', () => proxy?.sessions()[0]?.status === 'DESTROYED');
    const closing = await open();
    const answer = received(closing);
    closing.end();
    expect(await answer).to.equal('');
    expect(proxy?.sessions()).to.have.length(2);
  });

  it('takes a ClientHello byte by byte, and over several records', async () => {
    // What openssl says first, to a port that only listens.
    const hello = clientHello('a.example');
    const payload = hello.subarray(5);
    const records = [payload.subarray(0, 1), payload.subarray(1, 60), payload.subarray(60)].map((part) => {
      const head = Buffer.from([22, 3, 1, 0, 0]);
      head.writeUInt16BE(part.length, 3);
      return Buffer.concat([head, part]);
    });
    const socket = await open();
    socket.setNoDelay(true);
    const answered = new Promise<Buffer>((resolve) => socket.once('data', resolve));
    for (const byte of Buffer.concat(records)) {
      await new Promise<void>((resolve) => socket.write(Buffer.from([byte]), () => setImmediate(resolve)));
    }
    expect((await answered)[0]).to.be.oneOf([21, 22]); // a server of TLS has read it all
    expect(proxy?.sessions()[0]?.metadata).to.nested.include({ 'TLS.sni': 'a.example' });
    socket.destroy();
  });

  /** By Python's own TLS, in memory. */
  function clientHello(name: string): Buffer {
    const code = `import ssl,sys
c=ssl.create_default_context(); o=ssl.MemoryBIO()
s=c.wrap_bio(ssl.MemoryBIO(), o, server_hostname='${name}')
try: s.do_handshake()
except ssl.SSLWantReadError: pass
sys.stdout.buffer.write(o.read())`;
    return execFileSync('python3', ['-c', code]);
  }
});
