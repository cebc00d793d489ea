/** Asks the API server whose a token is (authentication.k8s.io/v1, TokenReview), and what the labels of its pod are. */
import { createHash } from 'node:crypto';
import type { ServiceAccountToken, TokenReviewer } from '../core/identity.ts';
import type { Pod } from './api/core-kinds.ts';
import { POD, TOKEN_REVIEW } from './api/core-types.ts';
import { CONTROL_PLANE } from './api/names.ts';
import type { KubeObject } from './api/object.ts';
import { proxyLabels } from './api/proxy-labels.ts';
import type { KubeReader } from './api/reader.ts';
import { createBelief } from './belief.ts';
import { isNotFound, type KubeClient } from './runtime/index.ts';

/** How long an answer is believed, in ms: a stream that reconnects does not ask anew. */
const BELIEVED_MS = 60_000;
/** Answers that are remembered, and tokens that wait to be asked about. */
const MAX_REMEMBERED = 10_000;

interface ReviewStatus {
  readonly authenticated?: boolean;
  readonly audiences?: readonly string[];
  readonly user?: { readonly username?: string; readonly extra?: Readonly<Record<string, readonly string[]>> };
}

/** `reader`: where pods are looked for first. */
export function createTokenReviewer(client: Pick<KubeClient, 'create' | 'get'>, reader: KubeReader): TokenReviewer {
  const believe = createBelief<ServiceAccountToken | undefined>({ forMs: () => BELIEVED_MS, most: MAX_REMEMBERED });

  async function review(token: string): Promise<ServiceAccountToken | undefined> {
    const spec = { token, audiences: [CONTROL_PLANE.audience] };
    const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', metadata: { name: '' }, spec };
    const { status } = await client.create<KubeObject<unknown, ReviewStatus>>(TOKEN_REVIEW, request);
    const { authenticated = false, audiences = [], user: { username: user = '', extra = {} } = {} } = status ?? {};
    const [, namespace] = /^system:serviceaccount:([^:]+):[^:]+$/u.exec(user) ?? [];
    if (!authenticated || namespace === undefined || !audiences.includes(CONTROL_PLANE.audience)) return undefined;
    const name = extra['authentication.kubernetes.io/pod-name']?.[0];
    if (name === undefined) return { user };
    const pod = await find(namespace, name);
    const uid = extra['authentication.kubernetes.io/pod-uid']?.[0];
    if (pod === undefined || (uid !== undefined && pod.metadata.uid !== uid)) return undefined;
    return { user, pod: { namespace, name, labels: proxyLabels(pod) } };
  }

  async function find(namespace: string, name: string): Promise<Pod | undefined> {
    const held = reader.get('Pod', namespace, name);
    if (held) return held;
    try {
      return await client.get<Pod>(POD, { namespace, name });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  return (token) => believe(createHash('sha256').update(token).digest('base64'), () => review(token));
}
