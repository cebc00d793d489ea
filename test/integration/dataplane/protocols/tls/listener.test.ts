import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Certificate, makeCertificate } from '../../../../support/certificates.ts';
import { Peer, versionOf } from '../../../../support/peer.ts';
import { relay, startProxy, type TestProxy } from '../../../../support/proxy.ts';
import { until } from '../../../../support/until.ts';

const run = promisify(execFile);
const ECHO = { spec: { protocol: 'Echo' } };

describe(`A TLS listener, with ${versionOf('openssl', 'version')}, ${versionOf('curl', '--version')} and ${versionOf('socat', '-V')}`, () => {
  let directory: string;
  let authority: Certificate;
  let main: Certificate;
  let proxy: TestProxy | undefined;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
    authority = makeCertificate(directory, 'authority', 'DNS:authority');
    main = makeCertificate(directory, 'main', 'DNS:main.example,IP:127.0.0.1', authority);
  });
  after(() => rmSync(directory, { recursive: true }));
  afterEach(async () => {
    await proxy?.close();
    proxy = undefined;
  });

  const start = async (tls: object, cluster: object = ECHO): Promise<void> => {
    const listener = { protocol: 'TLS', address: '127.0.0.1', port: 0, tls: { ...main, ...tls } };
    proxy = await startProxy(relay(listener, cluster, {}, { options: { track: 10 } }));
  };
  const address = (): string => `127.0.0.1:${proxy!.port('in')}`;
  const client = (...args: string[]): Peer =>
    new Peer('openssl', ['s_client', '-connect', address(), '-CAfile', authority.cert, '-ign_eof', ...args]);

  /** Says something, and waits for the echo: then the session stands. What openssl printed of the server. */
  async function talk(...args: string[]): Promise<string> {
    const peer = client(...args);
    peer.write('hello there\n');
    await peer.output(/hello there/u);
    await peer.stop();
    return peer.stdout;
  }

  describe('with certificates for some names', () => {
    beforeEach(async () => {
      const names = ['one.example', '*.two.example', '*.deep.two.example', 'exact.two.example'];
      const named = names.map((name, index) => ({
        server_names: [name],
        ...makeCertificate(directory, `named-${index}`, `DNS:${name}`, authority),
      }));
      await start({ certificates: named, alpn: ['second', 'first'] });
    });

    for (const [name, common] of [
      ['one.example', 'named-0'],
      ['ONE.example', 'named-0'],
      ['sub.two.example', 'named-1'],
      ['two.example', 'main'],
      ['a.sub.two.example', 'named-1'],
      ['deep.two.example', 'named-1'],
      ['a.deep.two.example', 'named-2'],
      ['exact.two.example', 'named-3'],
      ['other.example', 'main'],
    ] as const) {
      it(`shows a client that asks for ${name} that of ${common}`, async () => {
        expect(await talk('-servername', name)).to.match(new RegExp(`subject=CN ?= ?${common}`, 'u'));
        expect(proxy?.sessions()[0]?.metadata).to.nested.include({ 'TLS.sni': name });
      });
    }

    it('shows one that asks for no name its own, and names none', async () => {
      expect(await talk('-noservername')).to.match(/subject=CN ?= ?main/u);
      expect(proxy?.sessions()[0]?.metadata['TLS']).not.to.have.property('sni');
    });

    it('agrees on the protocol that it wants most', async () => {
      expect(await talk('-alpn', 'first,second')).to.contain('ALPN protocol: second');
      expect(proxy?.sessions()[0]?.metadata).to.nested.include({ 'TLS.alpn': 'second', 'TLS.version': 'TLSv1.3' });
    });

    it('refuses a client that has none of its protocols', async () => {
      const peer = client('-alpn', 'third');
      expect(await peer.exit).not.to.equal(0);
      expect(peer.stderr).to.contain('no application protocol');
      expect(proxy?.sessions()).to.deep.equal([]);
    });
  });

  describe('that asks for certificates', () => {
    let joe: string[];
    let stranger: string[];

    const flags = ({ cert, key }: Certificate): string[] => ['-cert', cert, '-key', key];
    before(() => {
      joe = flags(makeCertificate(directory, 'joe', 'DNS:joe.example', authority));
      stranger = flags(makeCertificate(directory, 'stranger', 'DNS:joe.example'));
    });

    const asked = (wanted: string): Promise<void> => start({ ca: authority.cert, client_certificate: wanted });
    const seen = (): unknown => proxy?.sessions()[0]?.metadata['TLS'];

    it('takes all, where it does not', async () => {
      await asked('none');
      await talk(...joe);
      expect(seen()).to.include({ authorized: false }).and.not.to.have.property('peer_certificate');
    });

    it('takes all on request, and tells who is who', async () => {
      await asked('request');
      await talk(...joe);
      expect(seen()).to.deep.nested.include({
        authorized: true,
        'peer_certificate.subject': { CN: 'joe' },
        'peer_certificate.issuer': { CN: 'authority' },
        'peer_certificate.san': ['DNS:joe.example'],
      });
      await proxy?.close();
      await asked('request');
      await talk(...stranger);
      expect(seen()).to.deep.nested.include({ authorized: false, 'peer_certificate.subject': { CN: 'stranger' } });
      await proxy?.close();
      await asked('request');
      await talk();
      expect(seen()).to.include({ authorized: false }).and.not.to.have.property('peer_certificate');
    });

    for (const version of ['-tls1_2', '-tls1_3']) {
      it(`takes only those that the authority knows, where it requires one (${version})`, async () => {
        await asked('require');
        await talk(version, ...joe);
        expect(seen()).to.include({ authorized: true });
        for (const who of [[], stranger]) {
          const peer = client(version, ...who);
          await peer.exit;
          expect(peer.stderr).to.match(/alert|errno=104|unexpected eof/u);
        }
        expect(proxy?.sessions()).to.have.length(1);
      });
    }
  });

  it('refuses versions below the lowest', async () => {
    await start({ min_version: 'TLSv1.3' });
    const peer = client('-tls1_2');
    expect(await peer.exit).not.to.equal(0);
    expect(peer.stderr).to.contain('alert protocol version');
    expect(await talk('-tls1_3')).to.contain('TLSv1.3');
  });

  it('offers the ciphers of its list alone', async () => {
    await start({ ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' });
    expect(await talk('-tls1_2')).to.contain('ECDHE-ECDSA-AES256-GCM-SHA384');
    expect(await client('-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256').exit).not.to.equal(0);
  });

  it('serves curl, which checks its certificate', async () => {
    const answer = 'HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nhi';
    await start(
      {},
      { spec: { protocol: 'StdioFork', command: 'sh', args: ['-c', `printf '${answer}'; cat >/dev/null`] } },
    );
    const url = `https://main.example:${proxy!.port('in')}/`;
    const args = [
      '-sS',
      '--max-time',
      '5',
      '--http1.1',
      '--resolve',
      `main.example:${proxy!.port('in')}:127.0.0.1`,
      url,
    ];
    expect((await run('curl', ['--cacert', authority.cert, ...args])).stdout).to.equal('hi');
    const refused = (await run('curl', args).catch((error: unknown) => error)) as { code: number };
    expect(refused.code).to.equal(60);
  });

  it('keeps half-close: an answer comes after the end of the question', async () => {
    await start({}, { spec: { protocol: 'StdioFork', command: 'wc', args: ['-c'] } });
    const child = run('socat', [
      '-t',
      '5',
      '-',
      `OPENSSL:${address()},cafile=${authority.cert},commonname=main.example`,
    ]);
    child.child.stdin?.end('12345');
    expect((await child).stdout.trim()).to.equal('5');
  });

  it('takes certificate files that change, from the next connection on, and keeps its sessions', async () => {
    const files = { cert: join(directory, 'live.crt'), key: join(directory, 'live.key') };
    const put = (source: Certificate): void => {
      copyFileSync(source.key, files.key);
      copyFileSync(source.cert, files.cert);
    };
    put(main);
    await start(files);
    const old = client();
    old.write('first words\n');
    await old.output(/first words/u);
    expect(old.stdout).to.match(/subject=CN ?= ?main/u);

    put(makeCertificate(directory, 'renewed', 'DNS:main.example', authority));
    let shown = '';
    const deadline = Date.now() + 8000;
    while (!/subject=CN ?= ?renewed/u.test(shown) && Date.now() < deadline) shown = await talk();
    expect(shown).to.match(/subject=CN ?= ?renewed/u);

    old.write('second words\n');
    await old.output(/second words/u);
    await old.stop();
  }).timeout(20_000);

  it('gives up a client that says no word of TLS', async () => {
    await start({});
    const { stdout } = await run('sh', [
      '-c',
      `printf 'GET / HTTP/1.1\\r\\n\\r\\n' | ncat ${address().replace(':', ' ')} | od -An -c`,
    ]);
    expect(stdout).not.to.contain('HTTP');
    await until('no session', () => proxy?.sessions().length === 0);
  });
});
