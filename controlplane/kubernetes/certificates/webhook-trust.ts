/** Tells the API server, in the webhook's configuration, which authorities to trust. */
import type { Logger } from '../../../common/log.ts';
import { pause } from '../../../common/signal.ts';
import type { MutatingWebhookConfiguration } from '../api/core-kinds.ts';
import { MUTATING_WEBHOOK } from '../api/core-types.ts';
import type { CertificatesClient } from './client.ts';

/** How long a replica that starts waits for it, in ms: an installation makes the configuration after the Deployment. */
const PATIENCE = 10_000;
/** Between two tries, in ms. */
const RETRY = 250;

/** Puts the authorities (PEM) into all webhooks of a configuration, where they are not there. @throws what the API server answers */
export async function publishToWebhook(
  client: CertificatesClient,
  { webhooks = [], apiVersion, kind, metadata: { name } }: MutatingWebhookConfiguration,
  ca: string,
): Promise<void> {
  const caBundle = Buffer.from(ca).toString('base64');
  if (webhooks.every(({ clientConfig }) => clientConfig?.caBundle === caBundle)) return;
  const ours = webhooks.map((each) => ({ name: each.name, clientConfig: { caBundle } }));
  const object: MutatingWebhookConfiguration = { apiVersion, kind, metadata: { name }, webhooks: ours };
  await client.apply(MUTATING_WEBHOOK, object, { force: true });
}

/**
 * The same for a replica that starts, before it is ready and whoever leads: the API server would not believe it, and make pods
 * without a sidecar. After a while it is ready without.
 */
export async function trustedByWebhook(
  client: CertificatesClient,
  name: string,
  ca: () => string,
  log: Logger,
  patience = PATIENCE,
): Promise<void> {
  const deadline = performance.now() + patience;
  for (;;) {
    let fault: unknown;
    try {
      const found: MutatingWebhookConfiguration = await client.get(MUTATING_WEBHOOK, { namespace: '', name });
      await publishToWebhook(client, found, ca());
      return;
    } catch (error) {
      fault = error;
    }
    if (performance.now() > deadline) {
      log.warn({ webhook: name, error: fault }, 'the API server does not trust the webhook yet: pods have no sidecars');
      return;
    }
    await pause(RETRY);
  }
}
