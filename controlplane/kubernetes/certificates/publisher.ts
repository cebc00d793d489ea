/** Tells those who connect which authorities to trust: proxies by a ConfigMap in their namespace, the API server in the webhook. */
import type { Logger } from '../../../common/log.ts';
import { codeOf } from '../api/addressing.ts';
import type { ConfigMap, MutatingWebhookConfiguration } from '../api/core-kinds.ts';
import { CONFIG_MAP } from '../api/core-types.ts';
import { CONTROL_PLANE, MANAGED_BY, MANAGED_BY_LABEL } from '../api/names.ts';
import type { OwnerReference } from '../api/object.ts';
import type { CertificatesClient } from './client.ts';
import { publishToWebhook } from './webhook-trust.ts';

export interface AuthorityPublisherOptions {
  readonly client: CertificatesClient;
  /** All authorities, in PEM, as of now. */
  readonly ca: () => string;
  /** Whether there are, or will be, proxies in a namespace. */
  readonly isNeeded: (namespace: string) => boolean;
  /** The ConfigMap of a namespace, from a cache. */
  readonly live: (namespace: string) => ConfigMap | undefined;
  /** With which the ConfigMaps go: something cluster-wide of the installation. */
  readonly owner?: OwnerReference;
  /** The configuration of the webhook, from a cache; undefined: it is not there. Absent: there is no webhook. */
  readonly webhook?: () => MutatingWebhookConfiguration | undefined;
  /** Asked right before each change. */
  readonly leads: () => boolean;
  readonly log: Logger;
}

export class AuthorityPublisher {
  readonly #options: AuthorityPublisherOptions;

  constructor(options: AuthorityPublisherOptions) {
    this.#options = options;
  }

  /**
   * The work of a queue: for a namespace whose need or whose ConfigMap has changed, and for all when the authorities have. It asks
   * nothing of the API server where all is as it should be.
   *
   * @throws what the API server answers
   */
  async reconcile(namespace: string): Promise<void> {
    const { client, ca, isNeeded, live, owner, leads, log } = this.#options;
    if (!leads()) return;
    const found = live(namespace);
    const name = CONTROL_PLANE.caConfigMap;
    if (isNeeded(namespace)) {
      const data = { [CONTROL_PLANE.caKey]: ca() };
      if (found?.data?.[CONTROL_PLANE.caKey] === data[CONTROL_PLANE.caKey]) return;
      const labels = { 'app.kubernetes.io/name': 'l7mp', [MANAGED_BY_LABEL]: MANAGED_BY };
      const metadata = { namespace, name, labels, ...(owner && { ownerReferences: [owner] }) };
      const object: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data };
      await client.apply(CONFIG_MAP, object, { force: true });
      return;
    }
    if (found?.metadata.labels?.[MANAGED_BY_LABEL] !== MANAGED_BY) return;
    try {
      await client.delete(CONFIG_MAP, { namespace, name }, { uid: found.metadata.uid });
      log.debug({ namespace, name }, 'no proxies are there any more: the authorities were deleted');
    } catch (error) {
      if (codeOf(error) !== 404 && codeOf(error) !== 409) throw error; // it is gone, or another one by now
    }
  }

  /** The same for the webhook: when its configuration or the authorities have changed, and when this replica begins to lead. */
  async reconcileWebhook(): Promise<void> {
    const { client, ca, webhook, leads, log } = this.#options;
    if (webhook === undefined || !leads()) return;
    const found = webhook();
    if (found === undefined) {
      log.warn({}, 'the configuration of the webhook is not there: no sidecars are injected');
      return;
    }
    await publishToWebhook(client, found, ca());
  }
}
