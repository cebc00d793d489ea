/** Asks the API server what a service account may do with the configuration (authorization.k8s.io/v1, SubjectAccessReview). */
import type { GrantedRoles, RoleReviewer } from '../core/identity.ts';
import { ACCESS_REVIEW } from './api/core-types.ts';
import { GROUP } from './api/names.ts';
import type { KubeObject } from './api/object.ts';
import { createBelief } from './belief.ts';
import type { KubeClient } from './runtime/index.ts';

/** How long an answer is believed, in ms: a right that was taken away counts no longer. */
const BELIEVED_MS = 10_000;
/** How long one that leaves something out, in ms: who was just given a role is not told otherwise for long. */
const DENIED_MS = 1000;
/** Answers that are remembered. */
const MAX_REMEMBERED = 1000;

/** What `kubectl get` shows of the configuration stands for all of it, whatever the store. */
const RESOURCE = { group: GROUP, resource: 'configobjects' } as const;
/** The verbs that stand for our roles. The control plane's own account has no right to `update`. */
const VERBS = { reader: 'get', admin: 'update' } as const;

interface ReviewStatus {
  readonly allowed?: boolean;
}

/** `namespace`: the control plane's; who has the right there has the role. */
export function createRoleReviewer(client: Pick<KubeClient, 'create'>, namespace: string): RoleReviewer {
  const believe = createBelief<GrantedRoles>({
    forMs: ({ reader, admin }) => (reader && admin ? BELIEVED_MS : DENIED_MS),
    most: MAX_REMEMBERED,
  });

  async function may(user: string, verb: string): Promise<boolean> {
    const spec = { user, groups: groupsOf(user), resourceAttributes: { ...RESOURCE, namespace, verb } };
    const request = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      metadata: { name: '' },
      spec,
    };
    const { status } = await client.create<KubeObject<unknown, ReviewStatus>>(ACCESS_REVIEW, request);
    return status?.allowed === true;
  }

  async function review(user: string): Promise<GrantedRoles> {
    const [reader, admin] = await Promise.all([may(user, VERBS.reader), may(user, VERBS.admin)]);
    const needed = `the verb ${VERBS.reader} (to read) or ${VERBS.admin} (to change)`;
    return {
      reader,
      admin,
      wanting: `expected a role of RBAC with ${needed} of ${RESOURCE.resource}.${RESOURCE.group} in the namespace ${namespace}`,
    };
  }

  return (user) => believe(user, () => review(user));
}

/** Those that every service account is in, and bindings may name. */
function groupsOf(user: string): readonly string[] {
  const [, namespace = ''] = /^system:serviceaccount:([^:]+):/u.exec(user) ?? [];
  return ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'];
}
