import { expect } from 'chai';
import { createTestApi, type TestApi } from '../../../support/admin.ts';

const LISTS = {
  rulelists: [{ name: 'l', rules: [{ name: 'first', action: { route: 'r' } }, 'stale'] }],
  rules: [{ name: 'free', action: { apply: 'other' } }],
};

describe('REST API: rules of a list by position', () => {
  let api: TestApi;
  beforeEach(() => {
    api = createTestApi(LISTS);
  });
  const rules = async (): Promise<unknown> => (await api.get('/api/v1/rulelists/l')).body.rules;

  it('shows one, by position or name', async () => {
    expect((await api.get('/api/v1/rulelists/l/rules/0')).body.name).to.equal('first');
    expect((await api.get('/api/v1/rulelists/l/rules/first')).body.name).to.equal('first');
    for (const position of ['1', '2', '-1', 'x', '0.5', '9999999999999']) {
      expect((await api.get(`/api/v1/rulelists/l/rules/${position}`)).body.content, position).to.equal('Not Found');
    }
  });

  it('inserts a rule, or the name of one, in front of the rule that is there', async () => {
    const rule = { name: 'new', action: { route: { destination: 'c' } } };
    expect((await api.post('/api/v1/rulelists/l/rules/1', { rule })).status).to.equal(200);
    expect((await api.post('/api/v1/rulelists/l/rules/3', { rule: 'free' })).status).to.equal(200);
    expect(await rules()).to.deep.equal(['first', 'new', 'stale', 'free']);
    expect((await api.get('/api/v1/rules/new')).body.action.route).to.equal('new-Route-1');
  });

  it('inserts at both ends, at the same time', async () => {
    await Promise.all([
      api.post('/api/v1/rulelists/l/rules/0', { rule: { action: { route: 'a' } } }),
      api.post('/api/v1/rulelists/l/rules/0', { rule: { action: { route: 'b' } } }),
    ]);
    expect(await rules()).to.deep.equal(['l-Rule-2', 'l-Rule-1', 'first', 'stale']);
  });

  it('makes the rule the list’s own', async () => {
    await api.post('/api/v1/rulelists/l/rules/0', { rule: { name: 'mine', action: { route: 'a' } } });
    await api.delete('/api/v1/rulelists/l?recursive=true');
    expect([...api.sink.snapshot.rules.keys()]).to.deep.equal(['free']);
  });

  it('refuses a position beyond the end, and a rule that is there already', async () => {
    const beyond = await api.post('/api/v1/rulelists/l/rules/3', { rule: { action: { route: 'a' } } });
    expect(beyond.status).to.equal(400);
    expect(beyond.body.content).to.include('from 0 to 2');
    const taken = await api.post('/api/v1/rulelists/l/rules/0', { rule: { name: 'free', action: { route: 'a' } } });
    expect(taken.body.content).to.match(/ already defined$/u);
    expect((await api.post('/api/v1/rulelists/nobody/rules/0', { rule: 'free' })).body.content).to.equal('Not Found');
  });

  it('refuses a circle, even of rules that are known by name only', async () => {
    await api.post('/api/v1/rulelists', { rulelist: { name: 'other', rules: [] } });
    await api.post('/api/v1/rules', { rule: { name: 'back', action: { apply: 'l' } } });
    expect((await api.post('/api/v1/rulelists/l/rules/0', { rule: 'free' })).status).to.equal(200);
    const { status, body } = await api.post('/api/v1/rulelists/other/rules/0', { rule: 'back' });
    expect(status).to.equal(400);
    expect(body.content).to.include('circle');
  });

  it('takes one out by position or name; the rule itself stays', async () => {
    expect((await api.delete('/api/v1/rulelists/l/rules/1')).status).to.equal(200);
    expect((await api.delete('/api/v1/rulelists/l/rules/first')).status).to.equal(200);
    expect(await rules()).to.deep.equal([]);
    expect(api.sink.snapshot.rules.has('first')).to.equal(true);
    const { status, body } = await api.delete('/api/v1/rulelists/l/rules/first');
    expect(status).to.equal(400);
    expect(body.content.startsWith('Cannot delete rule: Unknown rule')).to.equal(true);
  });
});
