/** Who shows a token of a service account, as the cluster says whose it is. */
import { expect } from 'chai';
import { labelsFor, mayBe } from '../../../../controlplane/core/authorization.ts';
import type { CallerFacts, Identity, RoleReviewer, TokenReviewer } from '../../../../controlplane/core/identity.ts';
import { RpcError } from '../../../../controlplane/core/rpc.ts';
import { createAuthenticator } from '../../../../controlplane/security/authenticator.ts';
import { identityOfServiceAccount } from '../../../../controlplane/security/service-accounts.ts';
import { recordingLog } from '../../../support/controlplane.ts';

const USER = 'system:serviceaccount:shop:web';
const POD = { namespace: 'shop', name: 'web-1', labels: { app: 'web', 'l7mp.io/namespace': 'shop' } };
const ROLES = { admins: [], readers: [] };

describe('tokens of service accounts', () => {
  it('make a pod the node of its name, with its own labels and no others', () => {
    const identity = identityOfServiceAccount({ user: USER, pod: POD }, ROLES);
    expect([mayBe(identity, 'shop/web-1'), mayBe(identity, 'shop/web-2'), mayBe(identity, 'web-1')]).to.deep.equal([
      true,
      false,
      false,
    ]);
    expect(labelsFor(identity, {})).to.deep.equal(POD.labels);
    expect(() => labelsFor(identity, { app: 'admin' })).to.throw(RpcError, 'expected the label app to be "web"');
    expect(() => labelsFor(identity, { tier: 'edge' })).to.throw(RpcError, 'found "tier"');
    expect([identity.admin, identity.reader]).to.deep.equal([false, false]);
  });

  it('have the roles that options give, and are no node without a pod', () => {
    const admin = identityOfServiceAccount({ user: USER }, { admins: ['system:serviceaccount:shop:*'], readers: [] });
    expect([admin.admin, admin.reader, admin.nodes]).to.deep.equal([true, true, []]);
    const reader = identityOfServiceAccount({ user: USER }, { admins: [], readers: [USER] });
    expect([reader.admin, reader.reader]).to.deep.equal([false, true]);
  });

  it('have the roles that the cluster gives, beside those of options', () => {
    const reader = identityOfServiceAccount({ user: USER }, ROLES, { admin: false, reader: true, wanting: 'more' });
    expect([reader.admin, reader.reader, reader.wanting]).to.deep.equal([false, true, 'more']);
    const admin = identityOfServiceAccount({ user: USER }, ROLES, { admin: true, reader: false });
    expect([admin.admin, admin.reader]).to.deep.equal([true, true]);
    const both = identityOfServiceAccount(
      { user: USER },
      { admins: [USER], readers: [] },
      { admin: false, reader: true },
    );
    expect(both.admin).to.equal(true);
  });

  describe('in a call', () => {
    const facts: CallerFacts = { peer: '10.0.0.1:1', loopback: false, path: '/x', metadata: {} };
    const caller = (
      review: TokenReviewer | undefined,
      authorization?: string,
      { path = facts.path, rolesOf }: { path?: string; rolesOf?: RoleReviewer } = {},
    ): (() => Promise<Identity>) => {
      const authenticate = createAuthenticator({
        tokens: () => undefined,
        serviceAccounts: review && { review, rolesOf, ...ROLES },
        certificates: undefined,
        open: 'nobody',
        log: recordingLog(),
      });

      return async () =>
        authenticate({ ...facts, path, metadata: authorization === undefined ? {} : { authorization } });
    };
    const failure = async (call: () => Promise<Identity>): Promise<string> => {
      try {
        return (await call()).name;
      } catch (error) {
        return error instanceof RpcError ? `${error.code} ${error.message}` : String(error);
      }
    };

    it('are asked about, one by one', async () => {
      const review: TokenReviewer = (token) => Promise.resolve(token === 'good' ? { user: USER, pod: POD } : undefined);
      expect(await failure(caller(review, 'Bearer good'))).to.equal(`${USER} in shop/web-1`);
      expect(await failure(caller(review, 'Bearer bad'))).to.match(/^16 expected a bearer token/u);
      expect(await failure(caller(review))).to.match(/^16 expected a bearer token, found nothing/u);
      expect(await failure(caller(review, 'Basic good'))).to.match(/^16 /u);
    });

    it('have their roles looked up where the call wants one, and only there', async () => {
      const review: TokenReviewer = () => Promise.resolve({ user: USER, pod: POD });
      const asked: string[] = [];
      const rolesOf: RoleReviewer = (user) => {
        asked.push(user);
        return Promise.resolve({ admin: false, reader: true });
      };
      const discovery = { path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/Delta', rolesOf };
      expect((await caller(review, 'Bearer good', discovery)()).reader).to.equal(false);
      expect(asked).to.deep.equal([]);
      const admin = { path: '/l7mp.admin.v1.ConfigService/List', rolesOf };
      expect((await caller(review, 'Bearer good', admin)()).reader).to.equal(true);
      expect(asked).to.deep.equal([USER]);
      const failing = { ...admin, rolesOf: () => Promise.reject(new Error('connection refused')) };
      expect(await failure(caller(review, 'Bearer good', failing))).to.match(/^14 .*connection refused$/u);
    });

    it('are nobody’s fault where the cluster does not answer: who calls may try again', async () => {
      const review: TokenReviewer = () => Promise.reject(new Error('connection refused'));
      expect(await failure(caller(review, 'Bearer good'))).to.equal(
        "14 the cluster can't be asked about the token: connection refused",
      );
    });
  });
});
