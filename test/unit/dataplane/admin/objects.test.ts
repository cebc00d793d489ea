import { expect } from 'chai';
import { FaultsError, ProxyError } from '../../../../common/errors.ts';
import { createTestApi, fakeSession, type TestApi } from '../../../support/admin.ts';

const DONE = { status: 200, message: 'OK' };

/** As an l7mp user writes it: everything inline. */
const INLINE = {
  listeners: [
    {
      name: 'a',
      spec: { protocol: 'UDP', port: 9001 },
      rules: [
        {
          action: {
            route: {
              destination: { spec: { protocol: 'UDP', port: 9002 }, endpoints: [{ spec: { address: '127.0.0.2' } }] },
              ingress: [{ spec: { protocol: 'Echo' } }],
            },
          },
        },
      ],
    },
  ],
};

describe('REST API: configuration objects', () => {
  let api: TestApi;
  beforeEach(() => {
    api = createTestApi(INLINE);
  });

  describe('listing and showing', () => {
    it('names sub-objects', async () => {
      const { list } = await api.get('/api/v1/listeners');
      expect(list).to.have.length(1);
      expect(list[0]).to.deep.include({ name: 'a', spec: { protocol: 'UDP', port: 9001 }, rules: 'a-RuleList-1' });
      expect(list[0]!.options.track).to.equal(0);
    });

    it('shows sub-objects when asked recursively, down to the endpoints', async () => {
      const { body } = await api.get('/api/v1/listeners/a?recursive=true');
      const { route } = body.rules.rules[0]!.action;
      expect(route.destination.endpoints[0]).to.deep.include({ spec: { address: '127.0.0.2' }, weight: 1 });
      expect(route.ingress[0]!.endpoints).to.deep.equal([
        { name: route.ingress[0]!.name, spec: { address: '<VIRTUAL>' } },
      ]);
    });

    it('marks what a reference names and nobody defined', async () => {
      await api.post('/api/v1/rules', { rule: { name: 'r', action: { route: 'gone' } } });
      const { body } = await api.get('/api/v1/rules/r?recursive=true');
      expect(body).to.deep.equal({ name: 'r', match: { match: '*' }, action: { route: 'gone:<STALE>' } });
    });

    it('counts endpoints in a list of clusters and shows them for one', async () => {
      const cluster = { name: 'u', spec: { protocol: 'UDP', port: 1 }, endpoints: ['127.0.0.1', '127.0.0.2'] };
      await api.post('/api/v1/clusters', { cluster: { ...cluster, loadbalancer: { policy: 'HashRing' } } });
      const { list } = await api.get('/api/v1/clusters');
      const listed = list.find(({ name }) => name === 'u');
      expect(listed).to.deep.include({ endpoints: 2, loadbalancer: { policy: 'HashRing', key: '<RANDOM>' } });
      const { body } = await api.get('/api/v1/clusters/u');
      expect(body.endpoints.map(({ name }) => name)).to.deep.equal(['u-EndPoint-1', 'u-EndPoint-2']);
    });

    it('shows what rules answer, and what routes do with answers', async () => {
      const respond = { status: 404, headers: { a: 'b' }, body: 'no' };
      await api.post('/api/v1/rules', { rule: { name: 'answers', action: { respond } } });
      expect((await api.get('/api/v1/rules/answers')).body).to.deep.include({ action: { respond } });
      const redirect = { status: 301, scheme: 'https', port: 0 };
      await api.post('/api/v1/rules', { rule: { name: 'sends', action: { redirect } } });
      expect((await api.get('/api/v1/rules/sends')).body).to.deep.include({ action: { redirect } });
      const destinations = [
        { cluster: 'c', weight: 1, rewrite: [{ path: '/a', append: 'b' }] },
        { weight: 2, respond },
      ];
      const more = {
        response_headers: { set: { a: 'b' }, add: {}, remove: ['c'] },
        fault: { abort: { percent: 1, status: 500 } },
      };
      await api.post('/api/v1/routes', { route: { name: 'all', destinations, ...more } });
      expect((await api.get('/api/v1/routes/all')).body).to.deep.include({ destinations, ...more });
    });

    it('shows a route with the defaults of its retry', async () => {
      await api.post('/api/v1/routes', { route: { name: 'rt', destination: 'c' } });
      const { body } = await api.get('/api/v1/routes/rt');
      expect(body).to.deep.include({
        name: 'rt',
        destination: 'c',
        ingress: [],
        egress: [],
        retry: {
          retry_on: 'never',
          num_retries: 1,
          timeout: 2000,
          statuses: [],
          max_body_bytes: 65536,
        },
      });
    });

    it('shapes JSON by format', async () => {
      expect((await api.get('/api/v1/rulelists')).text.trim()).not.to.include('\n');
      expect((await api.get('/api/v1/rulelists?format=pretty')).text).to.include('\n  {\n');
      expect((await api.get('/api/v1/rulelists?format=4')).text).to.include('\n    {\n');
      expect((await api.get('/api/v1/rulelists?format=xml')).status).to.equal(400);
    });

    it('answers 400 Not Found for a name that nobody has', async () => {
      for (const collection of ['listeners', 'clusters', 'rulelists', 'rules', 'routes', 'sessions', 'endpoints']) {
        const { status, body } = await api.get(`/api/v1/${collection}/nobody`);
        expect(status, collection).to.equal(400);
        expect(body).to.deep.equal({ status: 400, message: 'Bad Request', content: 'Not Found' });
      }
    });

    it('finds names with slashes, percent-encoded', async () => {
      const name = '/apis/l7mp.io/v1/namespaces/default/targets/my target%';
      await api.post('/api/v1/clusters', { cluster: { name, spec: { protocol: 'Echo' } } });
      const path = `/api/v1/clusters/${encodeURIComponent(name)}`;
      expect((await api.get(path)).body.name).to.equal(name);
      expect((await api.delete(path)).body).to.deep.equal(DONE);
      expect((await api.get(path)).status).to.equal(400);
    });

    it('refuses a name that is not percent-encoded right', async () => {
      const { status, body } = await api.get('/api/v1/clusters/%zz');
      expect(status).to.equal(400);
      expect(body.content).to.include('percent-encoded');
    });

    it('is not taken in by lists that apply lists that apply lists', async () => {
      // Each level shows the next twice: 2^30 objects.
      for (let level = 0; level < 30; level++) {
        const apply = `list-${level + 1}`;
        const rules = ['a', 'b'].map((name) => ({ name: `${level}${name}`, action: { apply } }));
        expect((await api.post('/api/v1/rulelists', { rulelist: { name: `list-${level}`, rules } })).status).to.equal(
          200,
        );
      }
      await api.post('/api/v1/rulelists', { rulelist: { name: 'list-30', rules: [] } });
      const { status } = await api.get('/api/v1/rulelists/list-0?recursive=true');
      expect(status).to.equal(200);
    });
  });

  describe('adding', () => {
    it('takes JSON and YAML by any of their names', async () => {
      const types = ['application/json', 'application/x-json', 'text/json', 'text/x-json; charset=utf-8'];
      for (const [index, type] of types.entries()) {
        const cluster = { name: `j${index}`, spec: { protocol: 'Echo' } };
        expect((await api.post('/api/v1/clusters', { cluster }, type)).body, type).to.deep.equal(DONE);
      }
      const yaml = ['application/yaml', 'application/x-yaml', 'text/yaml', 'text/x-yaml', 'application/vnd.yaml'];
      for (const [index, type] of yaml.entries()) {
        const text = `cluster:\n  name: y${index}\n  spec: {protocol: Echo}\n`;
        expect((await api.post('/api/v1/clusters', text, type)).body, type).to.deep.equal(DONE);
      }
      expect(api.sink.snapshot.clusters.has('j3') && api.sink.snapshot.clusters.has('y4')).to.equal(true);
    });

    it('refuses other types, and none, as a form of a web page would come', async () => {
      const body = JSON.stringify({ cluster: { name: 'c', spec: { protocol: 'Echo' } } });
      for (const type of [
        'text/plain',
        'application/x-www-form-urlencoded',
        'multipart/form-data',
        'application/jsonx',
      ]) {
        const answer = await api.post('/api/v1/clusters', body, type);
        expect(answer.status, type).to.equal(415);
        expect(answer.body).to.include({ message: 'Unsupported Media Type', content: `Unknown content type: ${type}` });
      }
      const none = await api.send('POST', '/api/v1/clusters', {}, body);
      expect(none.body.content).to.equal('Unknown content type: N/A');
      expect(api.sink.snapshot.clusters.has('c')).to.equal(false);
    });

    it('takes out inline objects, and names them after their owner', async () => {
      const rules = [{ action: { route: { destination: 'x' } } }];
      await api.post('/api/v1/listeners', { listener: { name: 'b', spec: { protocol: 'TCP', port: 1 }, rules } });
      expect((await api.get('/api/v1/listeners/b')).body.rules).to.equal('b-RuleList-1');
      expect((await api.get('/api/v1/rulelists/b-RuleList-1')).status).to.equal(200);
    });

    it('says "already defined", last, for a name that is taken', async () => {
      const add: [string, string, object][] = [
        ['listeners', 'listener', { name: 'a', spec: { protocol: 'UDP', port: 1 }, rules: [] }],
        ['rulelists', 'rulelist', { name: 'a-RuleList-1', rules: [] }],
      ];
      for (const [collection, key, object] of add) {
        const { status, body } = await api.post(`/api/v1/${collection}`, { [key]: object });
        expect(status).to.equal(400);
        expect(body.content).to.match(/ already defined$/u);
      }
    });

    it('takes only one of two that come at the same time', async () => {
      const cluster = { name: 'c', spec: { protocol: 'Echo' } };
      const answers = await Promise.all([
        api.post('/api/v1/clusters', { cluster }),
        api.post('/api/v1/clusters', { cluster }),
      ]);
      expect(answers.map(({ status }) => status)).to.deep.equal([200, 400]);
    });

    it('names every fault at once, with its place', async () => {
      const listener = { name: 'b', spec: { protocol: 'UDP', port: 70000 }, rules: 5 };
      const { status, body } = await api.post('/api/v1/listeners', { listener });
      expect(status).to.equal(400);
      expect(body.faults.map(({ path }) => path)).to.have.members(['listener.spec.port', 'listener.rules']);
      expect(body.content).to.include('listener.spec.port: expected').and.to.include('70000');
    });

    for (const [what, op] of [
      ['no test', undefined],
      ['a test that there is not', 'frob'],
    ] as const) {
      it(`tells once of a match with ${what}`, async () => {
        const rule = { name: 'r', match: { op, path: '/a' }, action: { route: 'x' } };
        const { status, body } = await api.post('/api/v1/rules', { rule });
        expect(status).to.equal(400);
        expect(body.faults.map(({ path }) => path)).to.deep.equal(['rule.match.op']);
      });
    }

    it('passes over unknown fields, but not in strict mode: then 422 with each fault', async () => {
      const cluster = { name: 'c', spec: { protocol: 'Echo' }, colour: 'red', shape: 'round' };
      const strict = createTestApi({ admin: { strict: true } });
      const { status, body } = await strict.post('/api/v1/clusters', { cluster });
      expect(status).to.equal(422);
      expect(body.message).to.match(/^Unprocessable Entity: /u);
      expect(body.content).to.have.length(2);
      const validations = body.content as unknown as { keyword: string; dataPath: string }[];
      expect(validations.map(({ keyword }) => keyword)).to.deep.equal(['additionalProperties', 'additionalProperties']);
      expect(validations.map(({ dataPath }) => dataPath)).to.deep.equal(['.cluster.colour', '.cluster.shape']);
      expect((await api.post('/api/v1/clusters', { cluster })).body).to.deep.equal(DONE);
    });

    it('answers what the proxy could not make live', async () => {
      const cluster = { cluster: { name: 'c', spec: { protocol: 'Echo' } } };
      const cases = [
        [new FaultsError([{ path: 'listeners.l', expected: 'to listen', found: 'ADDRESS_IN_USE' }]), 400],
        [new FaultsError([{ path: 'listeners.l', expected: 'to listen', found: '…', code: 'UNSUPPORTED' }]), 501],
        [new ProxyError('UNSUPPORTED', 'no such system call'), 501],
        [new ProxyError('DRAINED', 'stopping'), 503],
        [new TypeError('a defect'), 500],
      ] as const;
      for (const [failure, expected] of cases) {
        api.sink.failure = failure;
        const { status, body } = await api.post('/api/v1/clusters', cluster);
        expect(status).to.equal(expected);
        expect(body.content).to.include(failure.message);
      }
      expect(api.sink.snapshot.clusters.has('c')).to.equal(false);
    });
  });

  describe('deleting', () => {
    it('says what is unknown in the words that l7mp uses', async () => {
      for (const [collection, label] of [
        ['listeners', 'listener'],
        ['clusters', 'cluster'],
        ['rules', 'rule'],
      ] as const) {
        const { status, body } = await api.delete(`/api/v1/${collection}/nobody`);
        expect(status).to.equal(400);
        expect(body.content.startsWith(`Cannot delete ${label}: Unknown ${label}`)).to.equal(true);
      }
      expect((await api.delete('/api/v1/endpoints/nobody')).body.content).to.equal('Not Found');
    });

    it('leaves sub-objects, unless asked recursively', async () => {
      await api.delete('/api/v1/listeners/a');
      expect(api.sink.snapshot.rulelists.size).to.equal(1);
      const other = createTestApi(INLINE);
      expect((await other.delete('/api/v1/listeners/a?recursive=true')).body).to.deep.equal(DONE);
      const { listeners, clusters, rulelists, rules, routes } = other.sink.snapshot;
      expect([listeners, clusters, rulelists, rules, routes].map(({ size }) => size)).to.deep.equal([0, 0, 0, 0, 0]);
    });

    it('recursively, leaves what another object owns, and what nobody owns', async () => {
      const shared = createTestApi({
        listeners: [
          { name: 'one', spec: { protocol: 'UDP', port: 1 }, rules: [{ action: { route: { destination: 'free' } } }] },
          {
            name: 'two',
            spec: { protocol: 'UDP', port: 2 },
            rules: [{ action: { route: { destination: { name: 'owned', spec: { protocol: 'Echo' } } } } }],
          },
        ],
        clusters: [{ name: 'free', spec: { protocol: 'Discard' } }],
      });
      await shared.delete('/api/v1/listeners/one?recursive=true');
      expect([...shared.sink.snapshot.clusters.keys()]).to.have.members(['free', 'owned']);
      expect([...shared.sink.snapshot.rulelists.keys()]).to.deep.equal(['two-RuleList-1']);
    });

    it('recursively, ends the sessions of what is deleted, and no others', async () => {
      const out = [...api.sink.snapshot.clusters.keys()].find((name) => name.includes('ingress')) ?? '';
      const mine = fakeSession({ name: 'mine', listener: 'a' });
      const through = fakeSession({ name: 'through', ingress: [{ origin: out, status: 'READY', attempts: 1 }] });
      const other = fakeSession({ name: 'other' });
      const ended = fakeSession({ name: 'ended', listener: 'a', endedAt: 1, status: 'DESTROYED' });
      for (const session of [mine, through, other, ended]) api.sessions.set(session.name, session);
      await api.delete('/api/v1/listeners/a?recursive=true');
      await new Promise((resolve) => setImmediate(resolve));
      expect(mine.destroyedWith?.code).to.equal('DELETED');
      expect(through.destroyedWith?.code).to.equal('DELETED');
      expect(other.destroyedWith).to.equal(undefined);
      expect(ended.destroyedWith).to.equal(undefined);
    });
  });
});
