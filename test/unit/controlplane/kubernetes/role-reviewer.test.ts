/** What a cluster's own rules let service accounts do with the configuration. */
import { expect } from 'chai';
import { createRoleReviewer } from '../../../../controlplane/kubernetes/role-reviewer.ts';
import type { KubeClient } from '../../../../controlplane/kubernetes/runtime/index.ts';

const USER = 'system:serviceaccount:ops:ci';

interface Spec {
  readonly user: string;
  readonly groups: readonly string[];
  readonly resourceAttributes: Readonly<Record<string, string>>;
}

/** An API server that allows these verbs; `asked` has what it was asked. */
function serverWith(verbs: readonly string[]): { client: Pick<KubeClient, 'create'>; asked: Spec[] } {
  const asked: Spec[] = [];
  const create = (_type: unknown, object: object): Promise<object> => {
    const { spec } = object as { spec: Spec };
    asked.push(spec);
    return Promise.resolve({ ...object, status: { allowed: verbs.includes(spec.resourceAttributes['verb'] ?? '') } });
  };
  return { client: { create: create as unknown as KubeClient['create'] }, asked };
}

describe('kubernetes: roles of service accounts', () => {
  for (const [verbs, admin, reader] of [
    [[], false, false],
    [['get'], false, true],
    [['get', 'update'], true, true],
    [['update'], true, false],
  ] as const) {
    it(`are those of ${verbs.join(' and ') || 'nobody'} with the verbs ${JSON.stringify(verbs)}`, async () => {
      const { client } = serverWith(verbs);
      const roles = await createRoleReviewer(client, 'l7mp-system')(USER);
      expect([roles.admin, roles.reader]).to.deep.equal([admin, reader]);
    });
  }

  it('are asked for with the groups that bindings may name, in the namespace of the control plane', async () => {
    const { client, asked } = serverWith([]);
    const { wanting } = await createRoleReviewer(client, 'here')(USER);
    expect(wanting).to.contain('of configobjects.l7mp.io in the namespace here');
    expect(asked.map(({ resourceAttributes }) => resourceAttributes)).to.deep.equal(
      ['get', 'update'].map((verb) => ({ group: 'l7mp.io', resource: 'configobjects', namespace: 'here', verb })),
    );
    for (const { user, groups } of asked) {
      expect(user).to.equal(USER);
      expect(groups).to.deep.equal(['system:serviceaccounts', 'system:serviceaccounts:ops', 'system:authenticated']);
    }
  });

  it('are asked for once, not for each call; an error is not remembered', async () => {
    const { client, asked } = serverWith(['get']);
    const rolesOf = createRoleReviewer(client, 'here');
    await Promise.all([rolesOf(USER), rolesOf(USER)]);
    expect(asked).to.have.length(2);
    let fails = true;
    const create = ((type: never, object: never) =>
      fails ? Promise.reject(new Error('gone')) : client.create(type, object)) as KubeClient['create'];
    const again = createRoleReviewer({ create }, 'here');
    expect(await again(USER).catch((error: unknown) => String(error))).to.equal('Error: gone');
    fails = false;
    expect((await again(USER)).reader).to.equal(true);
  });
});
