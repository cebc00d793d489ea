import { expect } from 'chai';
import { request as httpRequest } from 'node:http';
import { servePages, type Pages } from '../../../../common/http-pages.ts';
import { createDashboard, type Dashboard } from '../../../../controlplane/dashboard/server.ts';
import { RpcError, STATUS } from '../../../../controlplane/core/rpc.ts';
import { readObjects } from '../../../../controlplane/sources/object-file.ts';
import { ADMIN, READER, type Rig, startRig } from '../../../support/controlplane.ts';
import { until } from '../../../support/until.ts';

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

const LISTENER = `listeners:
  - name: web
    spec: { protocol: TCP, port: 8080 }
    rules: [{ action: { route: { destination: echo } } }]
clusters:
  - { name: echo, spec: { protocol: Echo } }
`;
const OWN = { 'x-l7mp-request': 'test' };
const YAML = { ...OWN, 'content-type': 'text/x-yaml' };
const JSON_TYPE = { ...OWN, 'content-type': 'application/json' };

describe("the dashboard's server", () => {
  let rig: Rig;
  let dashboard: Dashboard;
  let pages: Pages;
  let authenticates: boolean;
  /** Who asks is known when it is open. */
  let gate: Promise<void> | undefined;
  let waiting: number;

  async function start(): Promise<void> {
    const service = rig.configuration.services.find(({ name }) => name === 'l7mp.admin.v1.ConfigService')!;
    dashboard = createDashboard({
      service,
      board: rig.configuration.board,
      figures: rig.configuration.figures,
      readObjects,
      authenticates,
      insecure: false,
      authenticate: async ({ metadata: { authorization } }) => {
        waiting++;
        await gate;
        if (!authenticates || authorization === 'Bearer admin') return ADMIN;
        if (authorization === 'Bearer reader') return READER;
        throw new RpcError(STATUS.UNAUTHENTICATED, 'expected a bearer token, found nothing');
      },
      log: rig.log,
    });
    const source = { ready: () => true, metrics: () => Promise.resolve({ contentType: 'text/plain', text: '' }) };
    pages = await servePages(
      { host: '127.0.0.1', port: 0 },
      { ...source, others: (request, response) => dashboard.handle(request, response) },
    );
  }

  beforeEach(async () => {
    rig = await startRig();
    authenticates = false;
    gate = undefined;
    waiting = 0;
    await start();
  });
  afterEach(async () => {
    await dashboard.close();
    await pages.close();
    await rig.close();
  });

  /** With any header, as no browser lets pages send them. */
  function ask(method: string, path: string, headers: object = {}, body = ''): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(`http://${pages.address}${path}`, { method, headers: { ...headers } }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
      });
      request.on('error', reject);
      request.end(body);
    });
  }
  const call = async (method: string, body: object, headers: object = JSON_TYPE) =>
    await ask('POST', `/api/v1/ConfigService/${method}`, headers, JSON.stringify(body));

  it('has the configuration service as JSON, with its rights and errors', async () => {
    expect((await ask('POST', '/api/v1/manifest?message=why', YAML, LISTENER)).status).to.equal(200);
    const { objects } = JSON.parse((await call('List', {})).text) as { objects: { key: object }[] };
    expect(objects.map(({ key }) => key)).to.deep.equal([
      { kind: 'Cluster', name: 'echo' },
      { kind: 'Listener', name: 'web' },
    ]);
    const { versions } = JSON.parse((await call('ListVersions', {})).text) as { versions: object[] };
    expect(versions).to.have.lengthOf(1);
    expect(versions[0]).to.include({ number: 1, message: 'why' });
    const missing = await call('Get', { key: { kind: 'Listener', name: 'nobody' } });
    expect(missing.status).to.equal(404);
    expect(JSON.parse(missing.text)).to.include({ status: 404, message: 'Not Found' });
    expect((await call('Get', { key: 5 })).status).to.equal(400);
    expect((await call('Backup', {})).status, 'a backup has the secrets').to.equal(404);
    expect((await ask('POST', '/api/v1/ConfigService/List', JSON_TYPE, '{')).status).to.equal(400);
    expect((await ask('GET', '/api/v1/ConfigService/List')).status).to.equal(405);
  });

  it('streams what the service streams', async () => {
    const gone = new AbortController();
    const response = await fetch(`http://${pages.address}/api/v1/ConfigService/Watch`, {
      method: 'POST',
      headers: JSON_TYPE,
      body: '{}',
      signal: gone.signal,
    });
    expect(response.headers.get('content-type')).to.match(/^text\/event-stream/u);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).to.match(/^data: \{"type":"synced".*\}\n\n$/u);
    await ask('POST', '/api/v1/manifest', YAML, LISTENER);
    expect((await reader.read()).value).to.include('"type":"put"');
    gone.abort();
  });

  it('says what a text would change, and what is wrong with it, with lines', async () => {
    const dry = await ask('POST', '/api/v1/manifest?dry_run=true', YAML, LISTENER);
    const { changes } = JSON.parse(dry.text) as { changes: { key: object; action: string; diff: string }[] };
    expect(changes.map(({ action }) => action)).to.deep.equal(['created', 'created']);
    expect(changes[0]?.diff).to.include('+  - name: web');
    expect((await call('List', {})).text, 'it was a dry run').to.include('"objects":[]');

    const wrong = await ask('POST', '/api/v1/manifest?dry_run=true', YAML, LISTENER.replace('8080', 'none'));
    expect(wrong.status).to.equal(400);
    const { faults } = JSON.parse(wrong.text) as { faults: object[] };
    expect(faults).to.have.lengthOf(1);
    expect(faults[0]).to.include({ path: 'listeners[0].spec.port', line: 3, found: '"none"' });
    const unread = await ask('POST', '/api/v1/manifest', YAML, 'listeners: [');
    expect(JSON.parse(unread.text)).to.have.nested.property('faults[0].line', 1);
    expect((await ask('POST', '/api/v1/manifest', YAML, '{}')).status, 'no objects').to.equal(400);
  });

  it('shows an object as text, and a version with what it changed', async () => {
    await ask('POST', '/api/v1/manifest', YAML, LISTENER);
    const { text } = await ask('GET', '/api/v1/manifest?kind=Cluster&name=echo');
    expect(text).to.equal('clusters:\n  - name: echo\n    spec:\n      protocol: Echo\n');
    const version = JSON.parse((await ask('GET', '/api/v1/version?number=1')).text) as { changes: { diff: string }[] };
    expect(version.changes.map(({ diff }) => diff).join('')).to.include('+      protocol: Echo');
  });

  for (const [name, method, path, headers] of [
    [
      'without the header that other pages cannot send',
      'POST',
      '/api/v1/ConfigService/List',
      { 'content-type': 'application/json' },
    ],
    ['of another origin', 'POST', '/api/v1/ConfigService/List', { ...JSON_TYPE, origin: 'http://evil.test' }],
    [
      'that a browser says is of another site',
      'DELETE',
      '/api/v1/proxies/a/sessions/b',
      { ...OWN, 'sec-fetch-site': 'cross-site' },
    ],
    ['to a name that is made to lead here', 'GET', '/api/v1/dashboard', { host: 'evil.test' }],
    ['of a page that asks for what is here', 'GET', '/api/v1/dashboard', { origin: 'http://evil.test' }],
  ] as const) {
    it(`refuses a request ${name}`, async () => {
      expect((await ask(method, path, headers, method === 'POST' ? '{}' : '')).status).to.equal(403);
    });
  }

  it('wants to know the type of a body, and takes no endless one', async () => {
    expect((await ask('POST', '/api/v1/manifest', { ...OWN, 'content-type': 'text/plain' }, LISTENER)).status).to.equal(
      415,
    );
    expect((await ask('POST', '/api/v1/manifest', YAML, ' '.repeat(5_000_000))).status).to.equal(413);
  });

  it('asks who calls where there are tokens; its files are for everybody', async () => {
    await dashboard.close();
    await pages.close();
    authenticates = true;
    await start();
    const token = (name: string) => ({ authorization: `Bearer ${name}` });
    const nobody = await ask('GET', '/api/v1/dashboard');
    expect(nobody.status).to.equal(401);
    expect(nobody.headers['www-authenticate']).to.equal('Bearer');
    expect((await ask('GET', '/ui/')).status).to.not.equal(401);
    expect(JSON.parse((await ask('GET', '/api/v1/dashboard', token('reader'))).text)).to.include({ admin: false });
    expect((await ask('POST', '/api/v1/manifest', { ...YAML, ...token('reader') }, LISTENER)).status).to.equal(403);
    expect((await ask('GET', '/api/v1/events?topics=sessions&proxy=a', token('reader'))).status).to.equal(403);
    expect((await ask('DELETE', '/api/v1/proxies/a/sessions/b', { ...OWN, ...token('reader') })).status).to.equal(403);
    expect((await ask('DELETE', '/api/v1/proxies/a/sessions/b', { ...OWN, ...token('admin') })).status).to.equal(404);
    // A name of its own is fine for who shows a token.
    expect((await ask('GET', '/api/v1/dashboard', { ...token('admin'), host: 'cp.test' })).status).to.equal(200);
  });

  it('streams proxies and objects, asks proxies while somebody looks, and ends with it', async () => {
    const seat = rig.configuration.board.join('edge-1', () => undefined);
    const gone = new AbortController();
    const response = await fetch(`http://${pages.address}/api/v1/events?topics=objects,proxies,traffic&interval=200`, {
      signal: gone.signal,
    });
    let text = '';
    const reading = (async () => {
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) text += chunk;
    })().catch(() => undefined);
    await until('the first events', () => text.includes('event: traffic'));
    expect(seat.wants()).to.include({ traffic_interval_ms: 200 });
    rig.proxy('edge-1');
    await ask('POST', '/api/v1/manifest', YAML, LISTENER);
    await until('the proxy', () => /event: proxies\ndata: .*"edge-1"/u.test(text));
    await until('the objects', () => /event: objects\ndata: .*"Listener\/web"/u.test(text));
    gone.abort();
    await reading;
    await until('the end of the asking', () => seat.wants().traffic_interval_ms === 0);
  });

  it('refuses topics that there are not, and intervals that cost too much', async () => {
    expect((await ask('GET', '/api/v1/events?topics=nothing')).status).to.equal(400);
    expect((await ask('GET', '/api/v1/events?interval=1')).status).to.equal(400);
  });

  it('answers HEAD of a stream without beginning one', async () => {
    const seat = rig.configuration.board.join('edge-1', () => undefined);
    expect((await ask('HEAD', '/api/v1/events?topics=traffic')).status).to.equal(200);
    expect(seat.wants().traffic_interval_ms).to.equal(0);
  });

  it('has at most 64 streams, though more are asked for at once, and room again when they are left', async () => {
    const gone = new AbortController();
    const path = `http://${pages.address}/api/v1/events?topics=objects`;
    let open = (): void => undefined;
    gate = new Promise((resolve) => (open = resolve));
    const asking = Promise.all(
      Array.from({ length: 80 }, async () => (await fetch(path, { signal: gone.signal })).status),
    );
    await until('all of them', () => waiting === 80);
    open();
    const codes = await asking;
    expect(codes.filter((code) => code === 200)).to.have.lengthOf(64);
    expect(codes.filter((code) => code === 503)).to.have.lengthOf(16);
    gone.abort();
    await until('room', async () => (await ask('HEAD', '/api/v1/events?topics=objects')).status === 200);
    for (let index = 0; index < 100; index++) {
      expect((await ask('HEAD', '/api/v1/events?topics=objects')).status, 'what is over is not counted').to.equal(200);
    }
  });

  it('says what is wrong with a path', async () => {
    expect((await ask('DELETE', '/api/v1/proxies/a/sessions/100%', OWN)).status).to.equal(400);
    const asterisk = await new Promise((resolve, reject) => {
      const { hostname: host, port } = new URL(`http://${pages.address}`);
      const request = httpRequest({ host, port, method: 'OPTIONS', path: '*' }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      request.on('error', reject).end();
    });
    expect(asterisk).to.equal(400);
  });

  it('tells browsers what its page may load', async () => {
    const { headers } = await ask('GET', '/ui/');
    expect(headers['content-security-policy']).to.match(/default-src 'none'.*frame-ancestors 'none'/u);
    expect(headers['x-content-type-options']).to.equal('nosniff');
    const root = await ask('GET', '/');
    expect([root.status, root.headers['location']]).to.deep.equal([302, '/ui/']);
    expect((await ask('GET', '/ui/../package.json')).status).to.equal(404);
    expect((await ask('GET', '/ui/%2e%2e/package.json')).status).to.equal(404);
  });
});
