import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from 'chai';
import { createOpenapi } from '../../../../dataplane/admin/openapi.ts';
import { createJsonSchemas } from '../../../../config/json-schema.ts';
import { schema } from '../../../../gen/l7mp/config/v1/schema.ts';
import { type Answer, createTestApi, fakeSession, type TestApi } from '../../../support/admin.ts';

interface Operation {
  readonly operationId: string;
  readonly requestBody?: { readonly content: Record<string, { readonly schema: object }> };
  readonly responses: Record<string, { readonly content: Record<string, { readonly schema: object }> }>;
}

const document = createOpenapi((refer) => createJsonSchemas({ schema, refer, lenient: true })) as unknown as {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: object;
};

const CONFIG = {
  listeners: [
    {
      name: 'in',
      spec: { protocol: 'UDP', port: 1, connect: { address: '127.0.0.1', port: 3 } },
      rules: [
        {
          match: { op: 'and', apply: [{ op: 'test', path: '/a', value: 1 }] },
          action: {
            rewrite: [{ path: '/x', value: { y: 1 } }],
            route: {
              destinations: [{ cluster: { spec: { protocol: 'Echo' } } }, { cluster: 'out', weight: 2 }],
              egress: ['gone'],
              mirrors: [{ cluster: 'out', percent: 0.5 }],
              timeouts: { idle: 3 },
            },
          },
        },
        { action: { apply: 'gone' } },
      ],
    },
  ],
  clusters: [
    {
      name: 'out',
      spec: { protocol: 'UDP', port: 9003 },
      endpoints: [{ name: 'e', spec: { address: '127.0.0.2', bind: { address: '127.0.0.1' } } }],
      loadbalancer: { policy: 'Maglev', key: '/IP/src_addr', table_size: 101 },
      health_check: { type: 'tcp' },
      circuit_breaker: { max_sessions: 5 },
    },
  ],
};

describe('the OpenAPI document', () => {
  let api: TestApi;
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema({ $id: 'openapi', components: document.components });

  /** Checks against a schema of the document, whose references are local to it. */
  const check = (of: object, value: unknown, what: string): void => {
    const absolute = JSON.parse(JSON.stringify(of).replaceAll('"#/components', '"openapi#/components')) as object;
    const valid = ajv.validate(absolute, value);
    expect(valid, `${what}: ${ajv.errorsText()} in ${JSON.stringify(value)}`).to.equal(true);
  };
  const checkAnswer = (method: string, path: string, answer: Answer): void => {
    const { [method.toLowerCase()]: operation } = document.paths[path]!;
    const response = operation!.responses[answer.status];
    expect(response, `${method} ${path} documents ${answer.status}`).not.to.equal(undefined);
    const [type, media] = Object.entries(response!.content)[0]!;
    expect(answer.headers['content-type']?.split(';')[0]).to.equal(type);
    const what = `${method} ${path} ${answer.status}`;
    if (type === 'application/x-ndjson') {
      for (const line of answer.text.trim().split('\n')) check(media.schema, JSON.parse(line), what);
    } else check(media.schema, type === 'application/json' ? answer.body : answer.text, what);
  };

  beforeEach(() => {
    api = createTestApi(CONFIG);
    const counts = { resources: 1, acks: 1, version: '' };
    api.controlPlane = {
      ...{ connected: false, server: 'a:1', variant: 'delta', since: 0, connects: 1, ready: true },
      lastError: 'UNAVAILABLE',
      types: new Map([
        ['Cluster', { ...counts, nacks: 0 }],
        ['Listener', { ...counts, nacks: 1, version: '1', lastNack: { at: 0, faults: ['x: expected a, found b'] } }],
      ]),
    };
    const relayed = { session: 's', listener: 'in', rate: 2000, packets: 3, bytes: 30 };
    api.offload = {
      engine: { attachment: 'tcx', interfaces: ['eth0'], flows: 1, capacity: 2 },
      ...{ handovers: 2, handbacks: 1, refusals: new Map([['mtu', 1]]) },
      sessions: () => [
        { ...relayed, state: 'kernel' },
        { ...relayed, state: 'user', reason: 'it is cold' },
      ],
    };
    api.serving.set('Listener in', { state: 'warming', reason: 'waits for secret s' });
    api.serving.set('Cluster out', { state: 'failed', reason: 'INTERNAL: x' });
    const stage = { origin: 'out', status: 'RETRYING', attempts: 3 } as const;
    const kernelTraffic = { ingress: { packets: 1, bytes: 5 }, egress: { packets: 0, bytes: 0 } };
    const offload = { state: 'kernel' } as const;
    api.sessions.set('s', fakeSession({ name: 's', ingress: [stage], listener: 'gone', offload, kernelTraffic }));
    api.sessions.set('t', fakeSession({ name: 't', endedAt: 5, reason: 'PEER_RESET', status: 'DESTROYED' }));
  });

  it('has every operation that is served, and no other', () => {
    const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(documented).to.have.members(api.operations.map(({ method, path }) => `${method} ${path}`));
  });

  it('is checked in as it is served', async () => {
    const { body } = await api.get('/api/v1/openapi.json');
    const checkedIn: unknown = JSON.parse(readFileSync('docs/openapi.json', 'utf8'));
    expect(checkedIn, 'run `npm run generate`').to.deep.equal(body);
  });

  it('says what every GET answers, recursively or not', async () => {
    const names: Record<string, string> = {
      listeners: 'in',
      clusters: 'out',
      rulelists: 'in-RuleList-1',
      rules: 'in-RuleList-1-Rule-1',
      routes: 'in-RuleList-1-Rule-1-Route-1',
      endpoints: 'e',
      sessions: 's',
    };
    for (const { method, path } of api.operations) {
      if (method !== 'GET') continue;
      const collection = path.split('/')[3] ?? '';
      const url = path
        .replace('{name}', names[collection] ?? '')
        .replace('{position}', '0')
        .replace('{endpoint}', 'e');
      for (const query of ['', '?recursive=true', '?format=1']) {
        const answer = await api.get(url + query);
        expect(answer.status, url).to.equal(200);
        checkAnswer(method, path, answer);
      }
      if (path.includes('{')) checkAnswer(method, path, await api.get(path.replace('{name}', 'nobody')));
    }
    checkAnswer('GET', '/api/v1/sessions/{name}', await api.get('/api/v1/sessions/t'));
    api.ready = false;
    checkAnswer('GET', '/ready', await api.get('/ready'));
  });

  it('says what every POST takes and answers', async () => {
    const bodies: Record<string, object> = {
      '/api/v1/config': { config: CONFIG },
      '/api/v1/admin': { admin: { log_level: 'warn' } },
      '/api/v1/listeners': { listener: { ...CONFIG.listeners[0], name: 'new' } },
      '/api/v1/clusters': { cluster: { ...CONFIG.clusters[0], name: 'new' } },
      '/api/v1/rulelists': { rulelist: { name: 'new', rules: ['a', { action: { route: 'r' } }] } },
      '/api/v1/rules': { rule: { name: 'new', action: { route: { cluster: 'out' } } } },
      '/api/v1/routes': { route: { name: 'new', destination: { spec: { protocol: 'Echo' } } } },
      '/api/v1/clusters/{name}/endpoints': { endpoint: { spec: { address: '::1', port: 5 } } },
      '/api/v1/rulelists/{name}/rules/{position}': { rule: { action: { apply: 'x' } } },
      '/api/v1/taps': { tap: { listener: 'in', match: { op: 'defined', path: '/IP' }, redact: ['payload'] } },
    };
    for (const { method, path } of api.operations) {
      if (method !== 'POST') continue;
      const [, , , collection] = path.split('/');
      const name = collection === 'clusters' ? 'out' : 'in-RuleList-1';
      const url = path.replace('{name}', name).replace('{position}', '0');
      const media = document.paths[path]!['post']!.requestBody!.content['application/json']!;
      check(media.schema, bodies[path], `the body of ${path}`);
      const answer = await api.post(url, bodies[path]);
      expect(answer.status, `${path}: ${answer.text}`).to.equal(200);
      checkAnswer(method, path, answer);
      checkAnswer(method, path, await api.post(url, 'x', 'text/plain'));
      checkAnswer(method, path, await api.post(url, '[]'));
    }
  });

  it('says what every DELETE answers', async () => {
    for (const { method, path } of api.operations) {
      if (method !== 'DELETE') continue;
      checkAnswer(method, path, await api.delete(path));
    }
    checkAnswer('DELETE', '/api/v1/sessions/{name}', await api.delete('/api/v1/sessions/s'));
  });

  it('says what faults look like in strict mode', async () => {
    await api.post('/api/v1/admin', { admin: { strict: true } });
    const answer = await api.post('/api/v1/clusters', { cluster: { colour: 1 } });
    expect(answer.status).to.equal(422);
    checkAnswer('POST', '/api/v1/clusters', answer);
  });
});
