import { expect } from 'chai';
import { createTestApi } from '../../../support/admin.ts';

const ROUTE = { destination: 'echo' };
const CONFIG = {
  listeners: [{ name: 'in.a', spec: { protocol: 'UDP', port: 1 }, rules: [{ action: { route: ROUTE } }] }],
  clusters: [{ name: 'echo', spec: { protocol: 'Echo' } }],
};
const DRY = '/api/v1/config?dry_run=true';

interface Row {
  readonly key: { readonly name: string };
  readonly action?: string;
  readonly warnings: readonly object[];
}
interface Changes {
  readonly changes: readonly Row[];
  readonly warnings: readonly Row[];
}

describe('the REST API of the configuration, asked what it would do', () => {
  const ask = async (config: object): Promise<Changes> => {
    const { status, body, text } = await createTestApi(CONFIG).post(DRY, config);
    expect(status, text).to.equal(200);
    return body as unknown as Changes;
  };

  it('refuses a field that nobody knows, as l7mp check does, with its line', async () => {
    const api = createTestApi();
    const { status, body } = await api.post(DRY, 'clusters: []\nclutsers: []\n', 'text/x-yaml');
    expect(status).to.equal(400);
    expect(body.faults).to.have.length(1);
    expect(body.faults[0]).to.include({ path: 'clutsers', line: 2 });
    expect((await api.post('/api/v1/config', { clusters: [], clutsers: [] })).status, 'the change').to.equal(200);
  });

  it('warns of what is hardly meant, where the object changes, and where it stays', async () => {
    const rules = { path: 'rules', expected: 'the name of a rule list that exists', found: '"zz"' };
    const { changes, warnings } = await ask({ ...CONFIG, listeners: [{ ...CONFIG.listeners[0], rules: 'zz' }] });
    expect(changes.find(({ key }) => key.name === 'in.a')).to.deep.include({ action: 'updated', warnings: [rules] });
    expect(warnings).to.deep.equal([]);

    const left = await ask({ listeners: CONFIG.listeners });
    expect(left.changes.find(({ key }) => key.name === 'echo')).to.deep.include({ action: 'deleted', warnings: [] });
    expect(left.warnings).to.have.length(1);
    expect(left.warnings[0]?.warnings).to.deep.equal([
      { path: 'destination', expected: 'the name of a cluster that exists', found: '"echo"' },
    ]);
  });

  it('has nothing to say of what is in order', async () => {
    const { changes, warnings } = await ask(CONFIG);
    expect(changes.map(({ action }) => action)).to.not.include('updated');
    expect([...changes, ...warnings].flatMap((row) => row.warnings)).to.deep.equal([]);
  });
});
