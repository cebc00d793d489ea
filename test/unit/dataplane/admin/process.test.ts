import { expect } from 'chai';
import fc from 'fast-check';
import { productVersion } from '../../../../common/version.ts';
import { createTestApi, fakeSession } from '../../../support/admin.ts';

const KEY = '-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n';

describe('REST API: the process', () => {
  it('has an index, health and readiness, metrics and a document', async () => {
    const api = createTestApi();
    expect((await api.get('/')).text).to.include('/api/v1/sessions');
    expect((await api.get('/healthz')).text).to.equal('ok\n');
    expect((await api.get('/ready')).status).to.equal(200);
    api.ready = false;
    expect((await api.get('/ready')).status).to.equal(503);
    const metrics = await api.get('/metrics');
    expect(metrics.headers['content-type']).to.equal('text/plain; version=0.0.4; charset=utf-8');
    const asked = await api.get('/metrics', { accept: 'application/openmetrics-text' });
    expect(asked.headers['content-type']).to.equal('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect((await api.get('/api/v1/openapi.json')).body.openapi).to.equal('3.1.0');
  });

  it('answers what is not an operation, by path or method, in the words that l7mp uses', async () => {
    const api = createTestApi();
    for (const [method, url] of [
      ['GET', '/api/v1/nothing'],
      ['GET', '/api/v2/listeners'],
      ['GET', '/api/v1/listeners/a/b'],
      ['PUT', '/api/v1/listeners'],
      ['constructor', '/api/v1/listeners'],
    ] as const) {
      const { status, body } = await api.send(method, url);
      expect(status, url).to.equal(404);
      expect(body).to.deep.equal({ status: 404, message: 'Not Found', content: 'Unknown API operation' });
    }
    expect((await api.send('PUT', '/api/v1/listeners')).headers['allow']).to.equal('GET, POST');
  });

  it('takes a slash at the end, HEAD, a whole URL, and a content type where there is no body', async () => {
    const api = createTestApi();
    expect((await api.get('/api/v1/listeners/')).body).to.deep.equal([]);
    expect((await api.send('HEAD', '/api/v1/listeners')).status).to.equal(200);
    expect((await api.get('http://proxy:1234/api/v1/listeners?format=2#top')).body).to.deep.equal([]);
    expect((await api.get('/api/v1/listeners', { 'content-type': 'application/json' })).status).to.equal(200);
  });

  it('has a line in the log for each change, and none for what was asked, tried or refused', async () => {
    const api = createTestApi();
    api.sessions.set('s 1', fakeSession({ name: 's 1' }));
    await api.get('/api/v1/listeners');
    await api.send('HEAD', '/api/v1/listeners');
    await api.post('/api/v1/config?dry_run=true', {});
    await api.post('/api/v1/listeners', { listener: { nonsense: 1 } });
    await api.delete('/api/v1/listeners/none');
    expect(api.audits).to.deep.equal([]);
    await api.post('/api/v1/config', {});
    await api.delete('/api/v1/sessions/s%201');
    const msg = 'the REST API has changed something';
    expect(api.audits).to.deep.equal([
      { audit: true, method: 'POST', path: '/api/v1/config', msg },
      { audit: true, method: 'DELETE', path: '/api/v1/sessions/s%201', msg },
    ]);
  });

  describe('the token', () => {
    const guarded = { admin: { api: { token: 'secret' } } };
    const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

    it('is not wanted of a browser that is sent to the page, which asks for it', async () => {
      const api = createTestApi(guarded);
      const { status, headers } = await api.get('/', { accept: 'text/html,*/*;q=0.8' });
      expect([status, headers['location']]).to.deep.equal([302, '/ui/']);
      expect((await api.get('/metrics', { accept: 'text/html' })).status).to.equal(401);
      expect((await api.send('POST', '/', { accept: 'text/html' })).status).to.equal(401);
    });

    it('is wanted everywhere but at the probes', async () => {
      const api = createTestApi(guarded);
      for (const path of ['/', '/metrics', '/api/v1/sessions', '/api/v1/openapi.json', '/nothing']) {
        const { status, headers, body } = await api.get(path);
        expect(status, path).to.equal(401);
        expect(headers['www-authenticate']).to.equal('Bearer');
        expect(body.message).to.equal('Unauthorized');
        const reason = 'expected the bearer token';
        expect(api.audits.at(-1)).to.deep.include({ audit: true, method: 'GET', path, reason });
      }
      expect((await api.get('/ready')).status).to.equal(200);
      expect((await api.get('/healthz')).status).to.equal(200);
    });

    it('opens, and nothing else does', async () => {
      const api = createTestApi(guarded);
      expect((await api.get('/api/v1/sessions', bearer('secret'))).status).to.equal(200);
      expect((await api.get('/api/v1/sessions', { authorization: 'bearer   secret' })).status).to.equal(200);
      for (const wrong of ['', 'secre', 'secret2', 'SECRET', 'secret secret']) {
        expect((await api.get('/api/v1/sessions', bearer(wrong))).status, wrong).to.equal(401);
      }
      expect((await api.get('/api/v1/sessions', { authorization: 'Basic secret' })).status).to.equal(401);
    });

    it('is never shown, nor are private keys that stand in the configuration', async () => {
      const api = createTestApi({
        ...guarded,
        listeners: [
          { name: 't', spec: { protocol: 'TLS', port: 1, tls: { cert: '/cert.pem', key: KEY } }, rules: [] },
          { name: 'f', spec: { protocol: 'TLS', port: 2, tls: { cert: '/cert.pem', key: '/key.pem' } }, rules: [] },
        ],
      });
      for (const path of ['/api/v1/config', '/api/v1/admin', '/api/v1/listeners', '/api/v1/listeners/t']) {
        const { text } = await api.get(path, bearer('secret'));
        expect(text, path).not.to.include('secret');
      }
      expect((await api.get('/api/v1/listeners/f', bearer('secret'))).body.spec.tls.key).to.equal('/key.pem');
    });
  });

  describe('config', () => {
    const CONFIG = {
      clusters: [{ name: 'c', spec: { protocol: 'UDP', port: 1 }, endpoints: ['127.0.0.1'] }],
      listeners: [{ name: 'l', spec: { protocol: 'UDP', port: 2 }, rules: [{ action: { route: 'r' } }] }],
      routes: [{ name: 'r', destination: 'c' }],
    };

    it('shows everything, and takes what it showed', async () => {
      const api = createTestApi(CONFIG);
      api.sessions.set('s', fakeSession({ name: 's' }));
      const { body } = await api.get('/api/v1/config');
      expect(body).to.have.all.keys('admin', 'listeners', 'clusters', 'rulelists', 'rules', 'routes', 'sessions');
      expect(body.sessions).to.have.length(1);
      const other = createTestApi({
        admin: { strict: true },
        clusters: [{ name: 'gone', spec: { protocol: 'Echo' } }],
      });
      expect((await other.post('/api/v1/config', body)).body).to.deep.equal({ status: 200, message: 'OK' });
      const again = (await other.get('/api/v1/config')).body;
      expect(again.clusters).to.deep.equal(body.clusters);
      expect(again.listeners).to.deep.equal(body.listeners);
      expect(again.admin.strict).to.equal(true);
    });

    it('takes the bare configuration, or one under "config", as JSON or YAML', async () => {
      const api = createTestApi();
      await api.post('/api/v1/config', { config: CONFIG });
      expect(api.sink.snapshot.clusters.has('c')).to.equal(true);
      await api.post('/api/v1/config', 'clusters:\n- {name: d, spec: {protocol: Echo}}\n', 'text/x-yaml');
      expect([...api.sink.snapshot.clusters.keys()]).to.deep.equal(['d']);
    });

    it('is not emptied by a body that holds no configuration', async () => {
      const api = createTestApi(CONFIG);
      for (const body of [
        { listener: [] },
        { config: 'x' },
        { config: [] },
        { config: { clutsers: [] } },
        '[]',
        '',
        '7',
      ]) {
        expect((await api.post('/api/v1/config', body)).status, JSON.stringify(body)).to.equal(400);
      }
      expect(api.sink.snapshot.clusters.has('c')).to.equal(true);
    });

    it('is refused whole, with every fault', async () => {
      const api = createTestApi(CONFIG);
      const { status, body } = await api.post('/api/v1/config', {
        clusters: [{ name: 'd', spec: { protocol: 'Echo' } }, { name: 'e', spec: { protocol: 'Nothing' } }, 5],
      });
      expect(status).to.equal(400);
      expect(body.faults.map(({ path }) => path)).to.deep.equal(['clusters[1].spec.protocol', 'clusters[2]']);
      expect([...api.sink.snapshot.clusters.keys()]).to.deep.equal(['c']);
    });

    it('names the line of a fault in YAML', async () => {
      const { body } = await createTestApi().post(
        '/api/v1/config',
        'clusters:\n  - name: a\n   spec: 1\n',
        'text/yaml',
      );
      expect(body.status).to.equal(400);
      expect(body.faults[0]!.line).to.equal(3);
    });
  });

  describe('admin', () => {
    it('shows the settings and the version', async () => {
      const { body } = await createTestApi({ admin: { access_log_path: '/log' } }).get('/api/v1/admin');
      expect(body).to.deep.equal({
        version: productVersion(),
        log_level: 'info',
        strict: false,
        access_log_path: '/log',
      });
      expect(productVersion()).to.match(/^\d+\.\d+\.\d+/u);
    });

    it('changes the log level and strictness, at once', async () => {
      const api = createTestApi();
      await api.post('/api/v1/admin', { admin: { log_level: 'silly', strict: true } });
      expect(api.logLevels).to.deep.equal(['silly']);
      expect((await api.get('/api/v1/admin')).body).to.include({ log_level: 'silly', strict: true });
      const unknown = { cluster: { name: 'c', spec: { protocol: 'Echo' }, nonsense: 1 } };
      expect((await api.post('/api/v1/clusters', unknown)).status).to.equal(422);
    });

    it('takes what it showed', async () => {
      const api = createTestApi({ admin: { access_log_path: '/log', drain_timeout: 5 } });
      const { body } = await api.get('/api/v1/admin');
      expect((await api.post('/api/v1/admin', { admin: body })).status).to.equal(200);
    });

    it('refuses with 501 what is fixed from the start, and changes nothing then', async () => {
      const api = createTestApi();
      const { status, body } = await api.post('/api/v1/admin', { admin: { log_level: 'error', log_file: '/other' } });
      expect(status).to.equal(501);
      expect(body.content).to.include('log_file');
      expect(api.logLevels).to.deep.equal([]);
      expect((await api.post('/api/v1/admin', { admin: { log_level: 'loud' } })).status).to.equal(400);
      expect((await api.post('/api/v1/admin', { admin: 5 })).status).to.equal(400);
    });
  });

  describe('hostile input', () => {
    it('refuses bodies that are too large, by what they cost', async () => {
      const api = createTestApi();
      expect((await api.post('/api/v1/clusters', `x: ${'y'.repeat(1 << 20)}`, 'text/yaml')).status).to.equal(413);
      expect((await api.post('/api/v1/clusters', `{"x":"${'y'.repeat(8 << 20)}"}`)).status).to.equal(413);
      expect((await api.post('/api/v1/config', `{"x":"${'y'.repeat(1 << 20)}"}`)).status).to.equal(400);
    });

    it('survives depth, aliases and prototypes', async () => {
      const api = createTestApi();
      const deep = `${'{"apply":['.repeat(50_000)}${']}'.repeat(50_000)}`;
      expect((await api.post('/api/v1/rules', `{"rule":{"name":"r","match":${deep}}}`)).status).to.equal(400);
      const levels = Array.from({ length: 20 }, (_, level) => `a${level + 1}: &a${level + 1} [*a${level}, *a${level}]`);
      expect((await api.post('/api/v1/rules', ['a0: &a0 [x]', ...levels].join('\n'), 'text/yaml')).status).to.equal(
        400,
      );
      await api.post(
        '/api/v1/clusters',
        '{"cluster":{"__proto__":{"polluted":1},"name":"__proto__","spec":{"protocol":"Echo"}}}',
      );
      expect(({} as Record<string, unknown>)['polluted']).to.equal(undefined);
      expect((await api.get('/api/v1/clusters/__proto__')).status).to.be.oneOf([200, 400]);
      expect((await api.get('/api/v1/clusters/constructor')).body.content).to.equal('Not Found');
    });

    it('answers any request, and never with 500', async () => {
      const api = createTestApi({ clusters: [{ name: 'c', spec: { protocol: 'Echo' } }] });
      const path = fc.oneof(
        fc.webPath(),
        fc.string({ unit: 'binary' }),
        fc
          .tuple(fc.constantFrom(...api.operations.map((operation) => operation.path)), fc.string({ unit: 'grapheme' }))
          .map(([operation, name]) => operation.replaceAll(/\{\w+\}/gu, () => encodeURIComponent(name))),
      );
      const body = fc.oneof(
        fc.json(),
        fc.string({ unit: 'binary' }),
        fc
          .record({ cluster: fc.object(), listener: fc.object(), rule: fc.object() })
          .map((each) => JSON.stringify(each)),
      );
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom('GET', 'POST', 'DELETE', 'HEAD', 'toString'),
          path,
          fc.webQueryParameters(),
          fc.constantFrom('application/json', 'text/x-yaml', ''),
          body,
          async (method, url, query, type, text) => {
            const { status, text: answer } = await api.send(method, `${url}?${query}`, { 'content-type': type }, text);
            expect(status, answer).to.be.lessThan(500);
          },
        ),
        { numRuns: 500 },
      );
    });
  });
});
