/** Asks the API server what a service account may do with the configuration (authorization.k8s.io/v1, SubjectAccessReview). */
import type { GrantedRoles, RoleReviewer } from '../core/identity.ts';
import type { ResourceType } from './api/addressing.ts';
import { GROUP } from './api/names.ts';
import type { KubeObject } from './api/object.ts';
import type { KubeClient } from './runtime/index.ts';

/** How long an answer is believed, in ms: a right that was taken away counts no longer. */
const BELIEVED_MS = 10_000;
/** How long one that leaves something out, in ms: who was just given a role is not told otherwise for long. */
const DENIED_MS = 1000;
/** Answers that are remembered. */
const MAX_REMEMBERED = 1000;

const REVIEW: ResourceType = {
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SubjectAccessReview',
  plural: 'subjectaccessreviews',
  namespaced: false,
};

/** What `kubectl get` shows of the configuration stands for all of it, whatever the store. */
const RESOURCE = { group: GROUP, resource: 'configobjects' } as const;
/** The verbs that stand for our roles. The control plane's own account has no right to `update`. */
const VERBS = { reader: 'get', admin: 'update' } as const;

interface ReviewStatus {
  readonly allowed?: boolean;
}

interface Remembered {
  until: number;
  readonly answer: Promise<GrantedRoles>;
}

/** `namespace`: the control plane's; who has the right there has the role. */
export function createRoleReviewer(client: Pick<KubeClient, 'create'>, namespace: string): RoleReviewer {
  const remembered = new Map<string, Remembered>();

  async function may(user: string, verb: string): Promise<boolean> {
    const spec = { user, groups: groupsOf(user), resourceAttributes: { ...RESOURCE, namespace, verb } };
    const request = {
      ...{ apiVersion: `${REVIEW.group}/${REVIEW.version}`, kind: REVIEW.kind, metadata: { name: '' } },
      spec,
    };
    const { status } = await client.create<KubeObject<unknown, ReviewStatus>>(REVIEW, request);
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

  return (user) => {
    const now = performance.now();
    const known = remembered.get(user);
    if (known && known.until > now) return known.answer;
    remembered.delete(user);
    const answer = review(user);
    const entry = { until: now + BELIEVED_MS, answer };
    remembered.set(user, entry);
    answer.then(
      ({ reader, admin }) => {
        if (!reader || !admin) entry.until = performance.now() + DENIED_MS;
      },
      () => remembered.delete(user),
    );
    // The oldest come first.
    for (const [oldest, { until }] of remembered) {
      if (remembered.size <= MAX_REMEMBERED && until > now) break;
      remembered.delete(oldest);
    }
    return answer;
  };
}

/** Those that every service account is in, and bindings may name. */
function groupsOf(user: string): readonly string[] {
  const [, namespace = ''] = /^system:serviceaccount:([^:]+):/u.exec(user) ?? [];
  return ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'];
}
