import { expect } from 'chai';
import { startProxy, type TestProxy } from '../../../support/proxy.ts';
import { curl, run, versionOf } from './tools.ts';

const OK = { status: 200, message: 'OK' };

describe(`the REST API, asked by curl ${versionOf('curl', '--version')}`, () => {
  let proxy: TestProxy;
  let base: string;

  const get = async (path: string): Promise<unknown> => {
    const { text, contentType } = await curl(`${base}${path}`);
    expect(contentType).to.include('application/json');
    return JSON.parse(text);
  };
  const post = async (path: string, body: object | string, type = 'application/json'): Promise<unknown> => {
    const data = typeof body === 'string' ? body : JSON.stringify(body);
    return JSON.parse(
      (await curl('-X', 'POST', '-H', `Content-Type: ${type}`, '--data-binary', data, `${base}${path}`)).text,
    );
  };
  const remove = async (path: string): Promise<unknown> =>
    JSON.parse((await curl('-X', 'DELETE', `${base}${path}`)).text);

  describe('on a listener of its own', () => {
    beforeEach(async () => {
      proxy = await startProxy({}, { api: true });
      base = `http://127.0.0.1:${proxy.port()}`;
    });
    afterEach(() => proxy.close());

    it('adds, lists, shows and deletes objects of each kind', async () => {
      const objects: [collection: string, key: string, object: Record<string, unknown>][] = [
        ['clusters', 'cluster', { name: 'c', spec: { protocol: 'UDP', port: 1 }, endpoints: ['127.0.0.1'] }],
        ['routes', 'route', { name: 'rt', destination: 'c' }],
        ['rules', 'rule', { name: 'r', action: { route: 'rt' } }],
        ['rulelists', 'rulelist', { name: 'rl', rules: ['r'] }],
        ['listeners', 'listener', { name: 'l', spec: { protocol: 'UDP', address: '127.0.0.1', port: 0 }, rules: 'rl' }],
      ];
      for (const [collection, key, object] of objects) {
        expect(await post(`/api/v1/${collection}`, { [key]: object }), collection).to.deep.equal(OK);
        const again = (await post(`/api/v1/${collection}`, { [key]: object })) as { status: number; content: string };
        expect(again.status).to.equal(400);
        expect(again.content).to.match(/ already defined$/u);
        const name = String(object['name']);
        expect(((await get(`/api/v1/${collection}`)) as { name: string }[]).map((each) => each.name)).to.deep.equal([
          name,
        ]);
        expect(await get(`/api/v1/${collection}/${name}`)).to.include({ name });
      }
      for (const [collection, , { name }] of objects.toReversed()) {
        expect(await remove(`/api/v1/${collection}/${String(name)}`)).to.deep.equal(OK);
        expect(await get(`/api/v1/${collection}/${String(name)}`)).to.include({ content: 'Not Found' });
      }
    });

    it('takes YAML as a user writes it', async () => {
      const yaml = `
listener:
  name: user
  spec: { protocol: UDP, address: 127.0.0.1, port: 0 }
  rules:
    - action:
        route:
          destination: { name: echo, spec: { protocol: Echo } }
`;
      expect(await post('/api/v1/listeners', yaml, 'text/x-yaml')).to.deep.equal(OK);
      expect(await run('socat', ['-t', '1', '-', `UDP:127.0.0.1:${proxy.port('user')}`], 'hello')).to.equal('hello');
      expect(await get('/api/v1/clusters/echo')).to.deep.include({
        endpoints: [{ name: 'echo', spec: { address: '<VIRTUAL>' } }],
      });
    });

    it('finds names with slashes, as an operator makes them', async () => {
      const name = '/apis/l7mp.io/v1/namespaces/default/targets/t';
      await post('/api/v1/clusters', { cluster: { name, spec: { protocol: 'Echo' } } });
      const path = `/api/v1/clusters/${encodeURIComponent(name)}`;
      expect(await get(path)).to.include({ name });
      expect(await remove(`${path}?recursive=true`)).to.deep.equal(OK);
    });

    it('adds endpoints that come at the same time, and balances over them', async () => {
      await post('/api/v1/clusters', { cluster: { name: 'c', spec: { protocol: 'UDP', port: 1 } } });
      const endpoints = [1, 2, 3, 4, 5].map((index) => ({ name: `e${index}`, spec: { address: `127.0.0.${index}` } }));
      await Promise.all(endpoints.map((endpoint) => post('/api/v1/clusters/c/endpoints', { endpoint })));
      const listed = (await get('/api/v1/clusters/c/endpoints')) as { name: string }[];
      expect(listed.map(({ name }) => name)).to.have.members(endpoints.map(({ name }) => name));
      expect(await remove('/api/v1/endpoints/e3')).to.deep.equal(OK);
      expect(await get('/api/v1/clusters')).to.have.nested.property('[0].endpoints', 4);
    });

    it('answers what is wrong in words that scripts look for', async () => {
      expect(await get('/api/v1/nothing')).to.deep.equal({
        status: 404,
        message: 'Not Found',
        content: 'Unknown API operation',
      });
      expect(await remove('/api/v1/listeners/l'))
        .to.have.property('content')
        .that.includes('Cannot delete listener: Unknown listener');
      const form = await curl('-d', 'x=1', `${base}/api/v1/clusters`);
      expect(form.status).to.equal(415);
      const faulty = { listener: { name: 'l', spec: { protocol: 'UDP', port: 'x' }, rules: 7 } };
      expect(await post('/api/v1/listeners', faulty))
        .to.have.property('faults')
        .with.length(2);
    });

    it('says so, and keeps everything as it was, where a listener cannot listen', async () => {
      const spec = { protocol: 'TCP', address: '127.0.0.1', port: proxy.port() };
      const answer = await post('/api/v1/listeners', { listener: { name: 'taken', spec, rules: [] } });
      expect(answer).to.include({ status: 400 });
      expect(JSON.stringify(answer), JSON.stringify(answer)).to.include('ADDRESS_IN_USE');
      expect(await get('/api/v1/listeners')).to.deep.equal([]);
      expect(await get('/api/v1/rulelists')).to.deep.equal([]);
    });

    it('keeps connections alive, and answers HEAD without a body', async () => {
      const { text } = await curl('-v', '--stderr', '-', `${base}/api/v1/routes`, `${base}/api/v1/rules`);
      expect(text).to.match(/Re-using existing connection/u);
      expect((await curl('-I', `${base}/api/v1/routes`)).status).to.equal(200);
    });

    it('takes an empty body of JSON at GET and DELETE, as client libraries send', async () => {
      const json = ['-H', 'Content-Type: application/json'];
      expect((await curl(...json, `${base}/api/v1/routes`)).text.trim()).to.equal('[]');
      expect((await curl(...json, '-X', 'DELETE', `${base}/api/v1/routes/x`)).status).to.equal(400);
    });

    it('shows health, readiness and the document', async () => {
      expect((await curl(`${base}/healthz`)).status).to.equal(200);
      expect((await curl(`${base}/ready`)).text).to.equal('ready\n');
      expect(await get('/api/v1/openapi.json')).to.include({ openapi: '3.1.0' });
    });

    it('replaces the configuration as a whole', async () => {
      await post('/api/v1/clusters', { cluster: { name: 'old', spec: { protocol: 'Echo' } } });
      const before = (await get('/api/v1/config')) as object;
      const next = {
        listeners: [
          { name: 'l', spec: { protocol: 'TCP', address: '127.0.0.1', port: 0 }, rules: [{ action: { route: 'r' } }] },
        ],
        routes: [{ name: 'r', destination: { name: 'e', spec: { protocol: 'Echo' } } }],
      };
      expect(await post('/api/v1/config', { config: next })).to.deep.equal(OK);
      expect(await run('socat', ['-t', '5', '-', `TCP:127.0.0.1:${proxy.port('l')}`], 'hello')).to.equal('hello');
      expect(await post('/api/v1/config', before)).to.deep.equal(OK);
      expect(await get('/api/v1/listeners')).to.deep.equal([]);
      expect(await get('/api/v1/clusters')).to.have.nested.property('[0].name', 'old');
    });
  });

  describe('with a token', () => {
    it('wants it', async () => {
      proxy = await startProxy({ admin: { api: { token: 'secret' } } }, { api: true });
      base = `http://127.0.0.1:${proxy.port()}`;
      try {
        expect((await curl(`${base}/api/v1/sessions`)).status).to.equal(401);
        expect((await curl('-H', 'Authorization: Bearer secret', `${base}/api/v1/sessions`)).status).to.equal(200);
        expect((await curl(`${base}/ready`)).status).to.equal(200);
      } finally {
        await proxy.close();
      }
    });
  });

  describe('behind an HTTP listener, as in l7mp’s own files', () => {
    it('serves, and shows its own request among the sessions', async () => {
      proxy = await startProxy(`
admin: { log_level: warn, strict: true }
listeners:
  - name: controller-listener
    spec: { protocol: HTTP, address: 127.0.0.1, port: 0 }
    rules:
      - action:
          route:
            destination: { name: l7mp-controller, spec: { protocol: L7mpController } }
`);
      base = `http://127.0.0.1:${proxy.port('controller-listener')}`;
      try {
        expect(await get('/api/v1/listeners/controller-listener?recursive=true')).to.have.nested.property(
          'rules.rules[0].action.route.destination.name',
          'l7mp-controller',
        );
        const [session] = (await get('/api/v1/sessions')) as Record<string, unknown>[];
        expect(session).to.include({ status: 'CONNECTED' });
        expect(session).to.have.nested.property('source.origin', 'controller-listener');
        expect(session).to.have.nested.property('source.listener.protocol', 'HTTP');
        expect(session).to.have.nested.property('destination.origin', 'l7mp-controller');
        expect(session).to.have.nested.property('metadata.HTTP.url.path', '/api/v1/sessions');
        const bad = await post('/api/v1/clusters', { cluster: { name: 'c', spec: { protocol: 'Echo' }, colour: 1 } });
        expect(bad).to.include({ status: 422 });
        expect(await remove('/api/v1/listeners/controller-listener?recursive=true')).to.deep.equal(OK);
        expect(proxy.proxy.snapshot.clusters.size).to.equal(0);
      } finally {
        await proxy.close();
      }
    });
  });
});
