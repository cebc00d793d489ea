import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Certificate, makeCertificate } from '../../../../support/certificates.ts';
import { Peer, versionOf } from '../../../../support/peer.ts';
import { relay, startProxy, type TestProxy } from '../../../../support/proxy.ts';
import { until } from '../../../../support/until.ts';

describe(`A TLS cluster, with ${versionOf('openssl', 'version')} s_server and ${versionOf('socat', '-V')}`, () => {
  let directory: string;
  let authority: Certificate;
  let stranger: Certificate;
  let certificate: Certificate;
  let server: Peer;
  let port: string;
  let proxy: TestProxy;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
    authority = makeCertificate(directory, 'authority', 'DNS:authority');
    stranger = makeCertificate(directory, 'stranger', 'DNS:stranger');
    certificate = makeCertificate(directory, 'server', 'DNS:server.example', authority);
  });
  after(() => rmSync(directory, { recursive: true }));
  afterEach(async () => {
    await proxy.close();
    await server.stop();
  });

  /** It prints what it is sent, and turns each line round (-rev). */
  const serve = async (...args: string[]): Promise<void> => {
    const { cert, key } = certificate;
    server = new Peer('openssl', ['s_server', '-accept', '127.0.0.1:0', '-cert', cert, '-key', key, '-rev', ...args]);
    [, port = ''] = await server.output(/^ACCEPT 127\.0\.0\.1:(\d+)$/mu);
  };
  const start = async (tls: object): Promise<void> => {
    const cluster = { spec: { protocol: 'TLS', port: Number(port), tls }, endpoints: ['127.0.0.1'] };
    const listener = { protocol: 'TCP', address: '127.0.0.1', port: 0 };
    proxy = await startProxy(relay(listener, cluster, {}, { options: { track: 10 } }));
  };
  const talk = async (): Promise<string> => {
    const peer = new Peer('socat', ['-t', '5', '-', `TCP:127.0.0.1:${proxy.port('in')}`]);
    peer.write('hello\n');
    await peer.output(/^olleh$/mu);
    await peer.stop();
    return server.stdout + server.stderr;
  };
  const refused = async (): Promise<string> => {
    const peer = new Peer('socat', ['-t', '5', '-', `TCP:127.0.0.1:${proxy.port('in')}`]);
    await until('the end of the session', () => proxy.sessions()[0]?.status === 'DESTROYED');
    await peer.stop();
    const [session] = proxy.sessions();
    expect(session?.reason).to.equal('TLS_FAILED');
    return session?.events.find(({ event }) => event === 'END')?.message ?? '';
  };

  it('speaks to a server that its authority knows, by the name that it asks for', async () => {
    await serve(
      '-servername',
      'server.example',
      '-servername_fatal',
      '-cert2',
      certificate.cert,
      '-key2',
      certificate.key,
    );
    await start({ ca: authority.cert, server_name: 'server.example' });
    await talk();
  });

  it('refuses one of another authority', async () => {
    await serve();
    await start({ ca: stranger.cert, server_name: 'server.example' });
    expect(await refused()).to.match(/^TLS with server\.example: .*unable to/u);
  });

  it('refuses one of another name', async () => {
    await serve();
    await start({ ca: authority.cert });
    expect(await refused()).to.match(/^TLS with 127\.0\.0\.1: .*IP: 127\.0\.0\.1 is not in the cert's list/u);
  });

  describe('checks other names than the one that it asks for', () => {
    const names = 'DNS:other.example,DNS:*.wild.example,URI:spiffe://example.org/a';
    const other = (): Certificate => makeCertificate(directory, 'named', names, authority);

    for (const [what, san] of Object.entries({
      'a DNS name': [{ dns: 'other.example' }],
      'one that a wildcard covers': [{ dns: 'a.wild.example' }],
      'any of some': [{ dns: '*.wild.example' }],
      'a URI': [{ uri: 'spiffe://example.org/a' }],
      'one of several': [{ dns: 'nobody.example' }, { uri: 'spiffe://example.org/a' }],
    })) {
      it(`takes a server for ${what}`, async () => {
        const { cert, key } = other();
        await serve('-servername', 'server.example', '-servername_fatal', '-cert2', cert, '-key2', key);
        await start({ ca: authority.cert, server_name: 'server.example', san });
        await talk();
      });
    }

    for (const [what, san] of Object.entries({
      'another DNS name': [{ dns: 'server.example' }],
      'another URI': [{ uri: 'spiffe://example.org/b' }],
      'a URI that is written as a DNS name': [{ dns: 'spiffe://example.org/a' }],
    })) {
      it(`refuses a server for ${what}, whatever it was asked for`, async () => {
        const { cert, key } = other();
        await serve('-servername', 'server.example', '-servername_fatal', '-cert2', cert, '-key2', key);
        await start({ ca: authority.cert, server_name: 'server.example', san });
        const expected = Object.values(san[0] ?? {}).join();
        expect(await refused()).to.contain(`expected a certificate for ${expected}, found one for DNS:other.example`);
      });
    }

    it('refuses one of another authority all the same', async () => {
      await serve();
      await start({ ca: stranger.cert, server_name: 'server.example', san: [{ dns: 'server.example' }] });
      expect(await refused()).to.match(/unable to/u);
    });
  });

  it('takes any where it is told to', async () => {
    await serve();
    await start({ insecure: true });
    await talk();
  });

  it('refuses a server of a version below the lowest', async () => {
    await serve('-tls1_2');
    await start({ insecure: true, min_version: 'TLSv1.3' });
    expect(await refused()).to.match(/version/u);
  });

  it('shows its certificate to a server that requires one', async () => {
    await serve('-Verify', '1', '-verify_return_error', '-CAfile', authority.cert);
    const { cert, key } = makeCertificate(directory, 'client', 'DNS:client', authority);
    await start({ ca: authority.cert, server_name: 'server.example', cert, key });
    expect(await talk()).to.match(/CN ?= ?client/u);
  });

  it('offers the protocols of its list', async () => {
    await serve('-alpn', 'second');
    await start({ insecure: true, alpn: ['first', 'second'] });
    await talk();
    await proxy.close();
    await start({ insecure: true, alpn: ['first'] });
    expect(await refused()).to.match(/no application protocol/u);
  });

  it('says what the server was that speaks no TLS', async () => {
    server = new Peer('socat', [
      '-d',
      '-d',
      'TCP-LISTEN:0,bind=127.0.0.1,fork',
      'SYSTEM:echo no TLS here && cat >/dev/null',
    ]);
    [, port = ''] = await server.output(/listening on AF=2 127\.0\.0\.1:(\d+)/u);
    await start({ insecure: true });
    expect(await refused()).to.match(/wrong version number|packet length too long/u);
  });
});
