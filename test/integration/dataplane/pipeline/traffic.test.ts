import { expect } from 'chai';
import { startProxy, type TestProxy } from '../../../support/proxy.ts';
import { until } from '../../../support/until.ts';
import { versionOf } from '../../../support/peer.ts';
import { ask, echoed, HttpPeer } from './peers.ts';

const PATH = '/HTTP/url/path';

/** A rule for what is below a path. */
const below = (path: string, action: object, more: object[] = []): object => ({
  match: { op: 'and', apply: [{ op: 'prefix', path: PATH, value: path }, ...more] },
  action,
});

describe(`Traffic between ${versionOf('curl', '--version')} and a server of Node.js`, () => {
  let proxy: TestProxy | undefined;
  let peer: HttpPeer;
  let other: HttpPeer;
  let url: string;

  beforeEach(async () => {
    [peer, other] = await Promise.all([HttpPeer.start('one'), HttpPeer.start('two')]);
  });

  afterEach(async () => {
    await proxy?.close();
    await Promise.all([peer.close(), other.close()]);
  });

  /** A proxy with clusters `one` and `two`, and these rules. */
  const start = async (...rules: object[]): Promise<void> => {
    proxy = await startProxy({
      listeners: [{ name: 'in', spec: { protocol: 'HTTP', address: '127.0.0.1', port: 0 }, rules }],
      clusters: [
        { name: 'one', ...peer.cluster },
        { name: 'two', ...other.cluster },
      ],
    });
    url = `http://127.0.0.1:${proxy.port('in')}`;
  };

  const versions = [
    ['HTTP/1.1', '--http1.1'],
    ['HTTP/2', '--http2-prior-knowledge'],
  ] as const;

  for (const [version, flag] of versions) {
    describe(`over ${version}`, () => {
      it('is answered by a rule', async () => {
        await start({ action: { respond: { status: 418, headers: { 'x-why': 'tea' }, body: 'short and stout' } } });
        const got = await ask(`${url}/`, flag);
        expect(got).to.deep.include({ status: 418, body: 'short and stout' });
        expect(got.headers).to.include({ 'x-why': 'tea', 'content-type': 'text/plain; charset=utf-8' });
        expect(await ask(`${url}/`, flag, '--data', 'x')).to.include({ status: 418 });
        expect(proxy?.sessions()).to.have.length(0);
      });

      it('is redirected', async () => {
        await start(
          below('/full', { redirect: { scheme: 'https', host: 'b.example', path: '/new', status: 301 } }),
          below('/prefix', { redirect: { prefix: { from: '/prefix', to: '/p2' } } }),
          { action: { redirect: { port: 8443, status: 308 } } },
        );
        const where = async (path: string): Promise<string> => {
          const { status, headers } = await ask(`${url}${path}`, flag, '--header', 'host: a.example');
          return `${status} ${headers['location'] ?? ''}`;
        };
        expect(await where('/full/x?a=1&b')).to.equal('301 https://b.example/new?a=1&b');
        expect(await where('/prefix/x?q')).to.equal('302 http://a.example/p2/x?q');
        expect(await where('/x')).to.equal('308 http://a.example:8443/x');
      });

      it('has header fields changed on both ways, as route and destination say', async () => {
        await start({
          action: {
            rewrite: [
              { path: '/HTTP/headers/x-set', value: 'by rule' },
              { path: '/HTTP/headers/x-add', append: 'more' },
              { path: '/HTTP/headers/x-gone' },
            ],
            route: {
              destinations: [
                {
                  cluster: 'one',
                  rewrite: [{ path: '/HTTP/headers/x-set', append: 'by destination' }],
                  response_headers: { set: { 'X-Old': 'b' } },
                },
              ],
              response_headers: { add: { 'x-old': 'c' }, set: { 'x-new': '1' }, remove: ['X-Server'] },
            },
          },
        });
        const { sent, headers } = await echoed(
          `${url}/`,
          flag,
          '-H',
          'x-add: one',
          '-H',
          'x-gone: 1',
          '-H',
          'X-Set: 0',
        );
        expect(sent.headers).to.include({ 'x-set': 'by rule,by destination', 'x-add': 'one,more' });
        expect(sent.headers).not.to.have.property('x-gone');
        expect(headers).to.include({ 'x-old': 'b, c', 'x-new': '1' });
        expect(headers).not.to.have.property('x-server');
      });

      it('has its path and host rewritten', async () => {
        await start(
          below('/a', {
            rewrite: [
              { path: PATH, prefix: { from: '/a', to: '/' } },
              { path: '/HTTP/headers/host', value: 'inner.example' },
            ],
            route: { destination: 'one' },
          }),
        );
        const { sent } = await echoed(`${url}/a/b?c=d`, flag);
        expect(sent).to.include({ url: '/b?c=d' });
        expect(sent.headers).to.include({ host: 'inner.example' });
        expect((await echoed(`${url}/a`, flag)).sent.url).to.equal('/');
        expect((await ask(`${url}/ab`, flag)).status).to.equal(404);
      });

      it('is answered a share of the time by the weights of a route', async () => {
        await start({
          action: {
            route: {
              destinations: [
                { cluster: 'one', weight: 1 },
                { respond: { status: 500 }, weight: 1 },
              ],
              response_headers: { set: { 'x-route': 'r' } },
            },
          },
        });
        const urls = Array.from({ length: 40 }, (_, index) => `${url}/${index}`);
        const got = await Promise.all(urls.map((each) => ask(each, flag)));
        expect(new Set(got.map(({ status }) => status))).to.deep.equal(new Set([200, 500]));
        expect(got.every(({ headers }) => headers['x-route'] === 'r')).to.equal(true);
      });

      it('is made again after a status that is no good, with its body', async () => {
        await start({
          action: { route: { destination: 'one', retry: { statuses: [503], num_retries: 3, backoff: 1 } } },
        });
        let failures = 2;
        peer.behaviour = (_seen, response) => {
          if (failures-- <= 0) return false;
          response.writeHead(503).end('not yet');
          return true;
        };
        const { status, sent } = await echoed(`${url}/`, flag, '--data', 'once');
        expect([status, sent.body, sent.method]).to.deep.equal([200, 'once', 'POST']);
        expect(peer.seen.map(({ body }) => body)).to.deep.equal(['once', 'once', 'once']);
        failures = 9;
        const last = await ask(`${url}/`, flag);
        expect(last).to.include({ status: 503, body: 'not yet' });
        expect(peer.seen).to.have.length(3 + 4);
      });

      it('is made once where its body is too long to be kept', async () => {
        const retry = { statuses: [503], num_retries: 3, backoff: 1, max_body_bytes: 10 };
        await start({ action: { route: { destination: 'one', retry } } });
        peer.behaviour = (_seen, response) => {
          response.writeHead(503).end();
          return true;
        };
        expect((await ask(`${url}/`, flag, '--data', 'x'.repeat(11))).status).to.equal(503);
        expect(peer.seen).to.have.length(1);
      });

      it('is answered with 504 where an attempt takes too long, the last of several', async () => {
        const limits = { timeouts: { attempt: 50 }, retry: { statuses: [504], num_retries: 2, backoff: 1 } };
        await start(
          below('/again', { route: { destination: 'one', ...limits } }),
          below('/once', { route: { destination: 'one', timeouts: { attempt: 50 } } }),
        );
        peer.behaviour = () => true; // never
        const { status, body } = await ask(`${url}/again`, flag);
        expect([status, body]).to.deep.equal([504, 'Gateway Timeout: RESPONSE_TIMEOUT\n']);
        expect(peer.seen).to.have.length(3);
        expect((await ask(`${url}/once`, flag)).status).to.equal(504);
        expect(peer.seen).to.have.length(4);
      });

      it('is answered with 504 where a session is over before it is answered', async () => {
        await start({ action: { route: { destination: 'one', timeouts: { session: 100 } } } });
        peer.behaviour = () => true;
        expect((await ask(`${url}/`, flag)).status).to.equal(504);
      });

      it('waits, and is aborted, on purpose', async () => {
        await start(
          below('/late', { route: { destination: 'one', fault: { delay: { duration: 60 } } } }),
          below('/bad', { route: { destination: 'one', fault: { abort: { status: 429 } } } }),
          below('/both', { route: { destination: 'one', fault: { delay: { duration: 60 }, abort: {} } } }),
          below('/none', { route: { destination: 'one', fault: { delay: { duration: 9999, percent: 0 } } } }),
        );
        const timed = async (path: string): Promise<[number, boolean]> => {
          const before = performance.now();
          const { status } = await ask(`${url}${path}`, flag);
          return [status, performance.now() - before >= 60];
        };
        expect(await timed('/late')).to.deep.equal([200, true]);
        expect((await timed('/bad'))[0]).to.equal(429);
        expect(await timed('/both')).to.deep.equal([503, true]);
        expect((await timed('/none'))[0]).to.equal(200);
        expect(peer.seen.map((seen) => seen.url)).to.deep.equal(['/late', '/none']);
      });
    });
  }

  it('finds its rule by parameters of the query', async () => {
    const answers = (status: number): object => ({ respond: { status } });
    const param = (name: string, value: string): object => ({ op: 'test', path: `/HTTP/url/params/${name}`, value });
    await start(
      { match: { op: 'and', apply: [param('animal', 'whale'), param('color', 'blue')] }, action: answers(201) },
      { match: param('animal', 'sea cow'), action: answers(202) },
      { match: param('animal', 'whale'), action: answers(203) },
    );
    const status = async (query: string): Promise<number> => (await ask(`${url}/${query}`)).status;
    expect(await status('?color=blue&animal=whale')).to.equal(201);
    expect(await status('?animal=sea%20cow')).to.equal(202);
    expect(await status('?animal=sea+cow')).to.equal(202);
    expect(await status('?animal=whale&animal=cat')).to.equal(203);
    expect(await status('?animal=cat&animal=whale')).to.equal(404);
    expect(await status('')).to.equal(404);
  });

  it('finds its rule, and its endpoint, by a cookie', async () => {
    const ports = [peer.port, other.port];
    proxy = await startProxy({
      listeners: [
        {
          name: 'in',
          spec: { protocol: 'HTTP', address: '127.0.0.1', port: 0 },
          rules: [
            { match: { op: 'test', path: '/HTTP/cookies/kind', value: 'a=b' }, action: { respond: { status: 201 } } },
            { action: { route: { destination: 'all' } } },
          ],
        },
      ],
      clusters: [
        {
          name: 'all',
          spec: { protocol: 'HTTP' },
          endpoints: ports.map((port) => `127.0.0.1:${port}`),
          loadbalancer: { policy: 'HashRing', key: '/HTTP/cookies/user' },
        },
      ],
    });
    url = `http://127.0.0.1:${proxy.port('in')}`;
    expect((await ask(`${url}/`, '--cookie', 'x=1; kind=a=b;kind=c')).status).to.equal(201);
    const servers = new Map<number, Set<string | undefined>>();
    for (let user = 0; user < 12; user++) {
      const got = [];
      for (let turn = 0; turn < 3; turn++) got.push(await ask(`${url}/`, '--cookie', `turn=${turn}; user=u${user}`));
      servers.set(user, new Set(got.map(({ headers }) => headers['x-server'])));
    }
    expect([...servers.values()].every(({ size }) => size === 1)).to.equal(true);
    expect(new Set([...servers.values()].flatMap((each) => [...each])).size).to.equal(2);
  });

  it('is copied to mirrors, with what rules made of it and not what a destination did', async () => {
    await start({
      action: {
        rewrite: [{ path: PATH, prefix: { from: '/a', to: '/b' } }],
        route: {
          destinations: [{ cluster: 'one', rewrite: [{ path: '/HTTP/headers/x-one', value: '1' }] }],
          mirrors: [{ cluster: 'two' }, { cluster: 'two' }, { cluster: 'two', percent: 0 }],
        },
      },
    });
    const { sent } = await echoed(`${url}/a/c?d`, '-H', 'host: h.example', '--data', 'body');
    await until('both mirrors to have the request', () => other.seen.length === 2);
    for (const seen of other.seen) {
      expect(seen).to.include({ method: 'POST', url: '/b/c?d', body: 'body' });
      expect(seen.headers).to.include({ host: 'h.example' }).and.not.to.have.property('x-one');
    }
    expect(sent.headers).to.include({ 'x-one': '1' });
  });

  it('says the length of what it answers to HEAD, and keeps the connection', async () => {
    await start({ action: { respond: { status: 200, body: 'abc' } } });
    const got = await ask(`${url}/`, '--head');
    expect([got.status, got.headers['content-length'], got.body]).to.deep.equal([200, '3', '']);
  });
});
