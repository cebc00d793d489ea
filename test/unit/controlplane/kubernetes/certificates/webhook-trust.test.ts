/** A replica that starts has the API server trust its webhook before it is ready. */
import { expect } from 'chai';
import type { KubeObject } from '../../../../../controlplane/kubernetes/api/object.ts';
import type { CertificatesClient } from '../../../../../controlplane/kubernetes/certificates/client.ts';
import { trustedByWebhook } from '../../../../../controlplane/kubernetes/certificates/webhook-trust.ts';
import { KubeError } from '../../../../../controlplane/kubernetes/runtime/index.ts';
import { recordingLog } from '../../../../support/controlplane.ts';

const CA = 'PEM';
const BUNDLE = Buffer.from(CA).toString('base64');

/** An API server whose configuration is there from the given look on. */
function serverWith(caBundle: string, from = 1): { client: CertificatesClient; applied: unknown[] } {
  const applied: unknown[] = [];
  let looks = 0;
  const found = {
    ...{ apiVersion: 'admissionregistration.k8s.io/v1', kind: 'MutatingWebhookConfiguration' },
    metadata: { name: 'l7mp-injector' },
    webhooks: ['a', 'b'].map((name) => ({ name, clientConfig: { caBundle } })),
  };
  const client = {
    get: () =>
      ++looks < from
        ? Promise.reject(new KubeError('there is none', { code: 404, reason: 'NotFound' }))
        : Promise.resolve(found),
    apply: (_type: unknown, object: KubeObject & { readonly webhooks?: unknown }) => {
      applied.push(object.webhooks);
      return Promise.resolve(object);
    },
  };
  return { client: client as unknown as CertificatesClient, applied };
}

describe('kubernetes: trust in the webhook', () => {
  const trust = (client: CertificatesClient, patience?: number): Promise<unknown[]> => {
    const log = recordingLog();
    return trustedByWebhook(client, 'l7mp-injector', () => CA, log, patience).then(() => log.lines);
  };

  it('is told to all webhooks of the configuration, once it is there', async () => {
    const { client, applied } = serverWith('', 2);
    expect(await trust(client)).to.deep.equal([]);
    expect(applied).to.deep.equal([['a', 'b'].map((name) => ({ name, clientConfig: { caBundle: BUNDLE } }))]);
  });

  it('is left as it is where it is right', async () => {
    const { client, applied } = serverWith(BUNDLE);
    await trust(client);
    expect(applied).to.deep.equal([]);
  });

  it('is not waited for without end, and the log says so', async () => {
    const { client, applied } = serverWith('', Infinity);
    expect(await trust(client, 0)).to.have.length(1);
    expect(applied).to.deep.equal([]);
  });
});
