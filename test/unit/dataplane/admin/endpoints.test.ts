import { expect } from 'chai';
import { createTestApi, type TestApi } from '../../../support/admin.ts';

const CLUSTERS = {
  clusters: [
    { name: 'u', spec: { protocol: 'UDP', port: 16000 }, endpoints: [{ spec: { address: '127.0.0.1' } }] },
    { name: 'v', spec: { protocol: 'UDP', port: 16000 } },
  ],
};

describe('REST API: endpoints', () => {
  let api: TestApi;
  beforeEach(() => {
    api = createTestApi(CLUSTERS);
  });
  const names = async (cluster = 'u'): Promise<string[]> =>
    (await api.get(`/api/v1/clusters/${cluster}/endpoints`)).list.map(({ name }) => name);

  it('adds, shows and deletes', async () => {
    const endpoint = { name: 'e', spec: { address: '10.0.0.1', port: 15000 }, weight: 3 };
    expect((await api.post('/api/v1/clusters/u/endpoints', { endpoint })).body).to.deep.equal({
      status: 200,
      message: 'OK',
    });
    expect(await names()).to.deep.equal(['u-EndPoint-1', 'e']);
    for (const path of ['/api/v1/endpoints/e', '/api/v1/clusters/u/endpoints/e']) {
      const { body } = await api.get(path);
      expect(body).to.deep.include(endpoint);
      expect(body.resolved[0]).to.deep.include({ address: '10.0.0.1', health: 'healthy', total_failures: 0 });
    }
    expect((await api.delete('/api/v1/endpoints/e')).status).to.equal(200);
    expect((await api.delete('/api/v1/clusters/u/endpoints/u-EndPoint-1')).status).to.equal(200);
    expect(await names()).not.to.include('e');
  });

  it('gives a name that is free to one that has none', async () => {
    await api.post('/api/v1/clusters/u/endpoints', { endpoint: '10.0.0.2:99' });
    await api.post('/api/v1/clusters/u/endpoints', { endpoint: { spec: { address: '10.0.0.3' } } });
    expect(await names()).to.deep.equal(['u-EndPoint-1', 'u-EndPoint-2', 'u-EndPoint-3']);
    expect((await api.get('/api/v1/endpoints/u-EndPoint-2')).body.spec).to.deep.equal({
      address: '10.0.0.2',
      port: 99,
    });
  });

  it('keeps all of those that come at the same time', async () => {
    const added = [1, 2, 3, 4, 5].map((index) => ({ name: `e${index}`, spec: { address: '127.0.0.1', port: index } }));
    await Promise.all(added.map((endpoint) => api.post('/api/v1/clusters/v/endpoints', { endpoint })));
    expect(await names('v')).to.deep.equal(added.map(({ name }) => name));
  });

  it('keeps its cluster as it was, and whose it was', async () => {
    const owned = createTestApi({
      routes: [{ name: 'r', destination: { name: 'c', spec: { protocol: 'UDP', port: 1 }, connect_timeout: 77 } }],
    });
    await owned.post('/api/v1/clusters/c/endpoints', { endpoint: '127.0.0.1' });
    const cluster = owned.sink.snapshot.clusters.get('c');
    expect(cluster?.owner).to.deep.equal({ kind: 'Route', name: 'r' });
    expect(cluster?.value.connect_timeout).to.equal(77);
    await owned.delete('/api/v1/routes/r?recursive=true');
    expect(owned.sink.snapshot.clusters.has('c')).to.equal(false);
  });

  it('refuses a name that is taken, a cluster that is unknown, and faults, with their place', async () => {
    const taken = await api.post('/api/v1/clusters/u/endpoints', {
      endpoint: { name: 'u-EndPoint-1', spec: { address: '127.0.0.1' } },
    });
    expect(taken.body.content).to.match(/ already defined$/u);
    expect((await api.post('/api/v1/clusters/nobody/endpoints', { endpoint: '127.0.0.1' })).body.content).to.equal(
      'Not Found',
    );
    const faulty = await api.post('/api/v1/clusters/u/endpoints', { endpoint: { name: 'x' } });
    expect(faulty.status).to.equal(400);
    expect(faulty.body.faults[0]!.path).to.equal('endpoint.spec');
  });

  it('says so where several clusters have an endpoint of the name', async () => {
    for (const cluster of ['u', 'v']) {
      await api.post(`/api/v1/clusters/${cluster}/endpoints`, { endpoint: { name: 'e', spec: { address: '::1' } } });
    }
    const { status, body } = await api.delete('/api/v1/endpoints/e');
    expect(status).to.equal(400);
    expect(body.content).to.include('u, v');
    expect((await api.delete('/api/v1/clusters/v/endpoints/e')).status).to.equal(200);
    expect((await api.delete('/api/v1/endpoints/e')).status).to.equal(200);
  });

  it('shows each address of a DNS name, with its state', async () => {
    await api.post('/api/v1/clusters/v/endpoints', { endpoint: { name: 'dns', spec: { address: 'example.org' } } });
    const state = { port: 16000, sessions: 1, totalSessions: 4, totalFailures: 2 };
    api.states.set('v', [
      { name: 'dns#1', address: '10.0.0.1', health: 'healthy', ...state },
      { name: 'dns#2', address: '10.0.0.2', health: 'ejected', ...state },
      { name: 'dns2', address: '10.0.0.9', health: 'healthy', ...state },
    ]);
    const { body } = await api.get('/api/v1/endpoints/dns');
    expect(body.spec).to.deep.equal({ address: 'example.org' });
    expect(body.resolved.map(({ health }) => health)).to.deep.equal(['healthy', 'ejected']);
  });
});
