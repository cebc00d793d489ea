import { expect } from 'chai';
import type { KubeClient } from '../../../../controlplane/kubernetes/runtime/index.ts';
import { createTokenReviewer } from '../../../../controlplane/kubernetes/token-reviewer.ts';
import { kubeReader } from '../../../support/kube-reader.ts';
import { until } from '../../../support/until.ts';

const PROXIES = 200;
const POD = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace: 'shop', name: 'web', uid: 'u-1', labels: { app: 'web' } },
};
const STATUS = {
  ...{ authenticated: true, audiences: ['l7mp'] },
  user: {
    username: 'system:serviceaccount:shop:default',
    extra: {
      'authentication.kubernetes.io/pod-name': ['web'],
      'authentication.kubernetes.io/pod-uid': ['u-1'],
    },
  },
};

describe('tokens of service accounts', () => {
  it('are asked about a few at once, however many come, and each once', async () => {
    const answers: (() => void)[] = [];
    let asked = 0;
    let most = 0;
    const client = {
      create: async () => {
        asked += 1;
        await new Promise<void>((resolve) => {
          answers.push(resolve);
          most = Math.max(most, answers.length);
        });
        return { status: STATUS };
      },
    } as unknown as KubeClient;
    const review = createTokenReviewer(client, kubeReader([POD]));
    const found = Promise.all(Array.from({ length: 2 * PROXIES }, (_, index) => review(`token-${index % PROXIES}`)));
    for (let answered = 0; answered < PROXIES; answered++) {
      await until('a token to be asked about', () => answers.length > 0);
      answers.shift()?.();
    }
    const [first, ...rest] = await found;
    expect(first).to.deep.equal({
      user: 'system:serviceaccount:shop:default',
      pod: {
        namespace: 'shop',
        name: 'web',
        labels: { app: 'web', 'l7mp.io/namespace': 'shop', 'l7mp.io/pod': 'web' },
      },
    });
    for (const each of rest) expect(each).to.deep.equal(first);
    expect(asked).to.equal(PROXIES);
    expect(most).to.equal(16);
  });
});
