import { expect } from 'chai';
import { versionOf } from '../../../support/peer.ts';
import { startProxy, type TestProxy } from '../../../support/proxy.ts';
import { ask, type Got, HttpPeer } from './peers.ts';

/** The header fields of CORS in an answer, without what starts all their names. */
function corsOf({ headers }: Got): Record<string, string> {
  const prefix = 'access-control-';
  const fields = Object.entries(headers).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(fields.map(([name, value]) => [name.slice(prefix.length), value]));
}

describe(`Pages of other origins, played by ${versionOf('curl', '--version')}`, () => {
  let proxy: TestProxy;
  let peer: HttpPeer;
  let url: string;

  beforeEach(async () => {
    peer = await HttpPeer.start();
    const policies: Record<string, object> = {
      '/some': {
        allow_origins: ['https://www.foo.com', 'https://*.bar.com', 'http://port.com:8080'],
        allow_methods: ['GET', 'OPTIONS'],
        allow_headers: ['x-header-1', 'x-header-2'],
        expose_headers: ['x-header-3', 'x-header-4'],
        allow_credentials: true,
        max_age: 3600,
      },
      '/every': { allow_origins: ['*'], allow_methods: ['*'], allow_headers: ['*'], expose_headers: ['*'] },
      '/trusted': {
        allow_origins: ['*'],
        allow_methods: ['*'],
        allow_headers: ['*'],
        expose_headers: ['*'],
        allow_credentials: true,
      },
      '/none': {},
    };
    const rules = Object.entries(policies).map(([path, cors]) => ({
      match: { op: 'prefix', path: '/HTTP/url/path', value: path },
      action: { route: { destination: path === '/none' ? 'nobody' : 'out', cors } },
    }));
    proxy = await startProxy({
      listeners: [{ name: 'in', spec: { protocol: 'HTTP', address: '127.0.0.1', port: 0 }, rules }],
      clusters: [{ name: 'out', ...peer.cluster }],
    });
    url = `http://127.0.0.1:${proxy.port('in')}`;
  });
  afterEach(async () => {
    await proxy.close();
    await peer.close();
  });

  const preflight = (path: string, origin: string, method: string, headers?: string): Promise<Got> => {
    const fields = ['-H', `origin: ${origin}`, '-H', `access-control-request-method: ${method}`];
    if (headers !== undefined) fields.push('-H', `access-control-request-headers: ${headers}`);
    return ask(`${url}${path}`, '-X', 'OPTIONS', ...fields);
  };

  const SOME = {
    'allow-methods': 'GET, OPTIONS',
    'allow-headers': 'x-header-1, x-header-2',
    'expose-headers': 'x-header-3, x-header-4',
    'allow-credentials': 'true',
    'max-age': '3600',
  };

  for (const origin of [
    'https://www.foo.com',
    'https://www.foo.com:443',
    'https://www.bar.com',
    'https://a.b.bar.com',
    'http://port.com:8080',
  ]) {
    it(`are told what they may where they are of ${origin}`, async () => {
      const asked = peer.seen.length;
      const got = await preflight('/some', origin, 'GET', 'x-header-1, x-header-2');
      expect([got.status, got.body]).to.deep.equal([204, '']);
      expect(corsOf(got)).to.deep.equal({ 'allow-origin': origin, ...SOME });
      expect(got.headers['vary']).to.equal('Origin');
      expect(peer.seen).to.have.length(asked);
      const actual = await ask(`${url}/some`, '-H', `origin: ${origin}`);
      expect(corsOf(actual)).to.deep.equal({
        'allow-origin': origin,
        'allow-credentials': 'true',
        'expose-headers': 'x-header-3, x-header-4',
      });
      expect(actual.status).to.equal(200);
    });
  }

  for (const origin of [
    'https://foobar.com',
    'http://www.foo.com',
    'https://www.foo.com:8443',
    'https://bar.com',
    'https://xbar.com',
    'https://www.bar.com.evil.com',
    'http://port.com',
    'null',
  ]) {
    it(`are told nothing where they are of ${origin}`, async () => {
      expect(corsOf(await preflight('/some', origin, 'GET'))).to.deep.equal({});
      const actual = await ask(`${url}/some`, '-H', `origin: ${origin}`);
      expect([actual.status, corsOf(actual)]).to.deep.equal([200, {}]);
    });
  }

  it('of every origin may do what is allowed to all', async () => {
    const wildcards = { 'allow-methods': '*', 'allow-headers': '*', 'expose-headers': '*', 'max-age': '5' };
    const got = await preflight('/every', 'https://x.example', 'PUT', 'x-a');
    expect(corsOf(got)).to.deep.equal({ 'allow-origin': '*', ...wildcards });
    const actual = await ask(`${url}/every`, '-H', 'origin: https://x.example');
    expect(corsOf(actual)).to.deep.equal({ 'allow-origin': '*', 'expose-headers': '*' });
  });

  it('are told by name where credentials come along, for which there is no wildcard', async () => {
    const got = await preflight('/trusted', 'https://x.example', 'PUT', 'x-a, x-b');
    const allowed = { 'allow-origin': 'https://x.example', 'allow-credentials': 'true' };
    const asked = { 'allow-methods': 'PUT', 'allow-headers': 'x-a, x-b', 'max-age': '5' };
    expect(corsOf(got)).to.deep.equal({ ...allowed, ...asked });
    expect(corsOf(await preflight('/trusted', 'https://x.example', 'PUT'))).not.to.have.property('allow-headers');
    const actual = corsOf(await ask(`${url}/trusted`, '-H', 'origin: https://x.example'));
    expect(actual['expose-headers']).to.match(/^x-server, x-old/u);
  });

  it('can read a failure, and have none but it where no origin is allowed', async () => {
    const got = await ask(`${url}/none`, '-H', 'origin: https://x.example');
    expect([got.status, corsOf(got)]).to.deep.equal([503, {}]);
    const plain = await ask(`${url}/some`, '-X', 'OPTIONS', '-H', 'origin: https://www.foo.com');
    expect([plain.status, corsOf(plain)['allow-origin']]).to.deep.equal([200, 'https://www.foo.com']);
  });
});
