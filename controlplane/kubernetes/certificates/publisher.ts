/** Tells those who connect which authorities to trust: proxies by a ConfigMap in their namespace, the API server in the webhook. */
import type { Logger } from '../../../common/log.ts';
import { codeOf, type ResourceType } from '../api/addressing.ts';
import type { ConfigMap } from '../api/core-kinds.ts';
import { CONTROL_PLANE, MANAGED_BY, MANAGED_BY_LABEL } from '../api/names.ts';
import type { KubeObject, OwnerReference } from '../api/object.ts';
import type { CertificatesClient } from './client.ts';

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
  /** The MutatingWebhookConfiguration. */
  readonly webhook?: string;
  /** Asked right before each change. */
  readonly leads: () => boolean;
  readonly log: Logger;
}

const CONFIG_MAP: ResourceType = {
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  namespaced: true,
};
const WEBHOOK: ResourceType = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
  namespaced: false,
};

interface WebhookConfiguration extends KubeObject {
  readonly webhooks?: readonly { readonly name: string; readonly clientConfig?: { readonly caBundle?: string } }[];
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

  /** The same for the webhook: when the authorities have changed, and when this replica begins to lead. */
  async reconcileWebhook(): Promise<void> {
    const { client, ca, webhook: name, leads, log } = this.#options;
    if (name === undefined || !leads()) return;
    let found: WebhookConfiguration;
    try {
      found = await client.get(WEBHOOK, { namespace: '', name });
    } catch (error) {
      if (codeOf(error) !== 404) throw error;
      log.warn({ webhook: name }, 'there is no such webhook configuration: no sidecars are injected');
      return;
    }
    const caBundle = Buffer.from(ca()).toString('base64');
    const { webhooks = [], apiVersion, kind } = found;
    if (webhooks.every(({ clientConfig }) => clientConfig?.caBundle === caBundle)) return;
    const ours = webhooks.map((each) => ({ name: each.name, clientConfig: { caBundle } }));
    const object: WebhookConfiguration = { apiVersion, kind, metadata: { name }, webhooks: ours };
    await client.apply(WEBHOOK, object, { force: true });
  }
}
