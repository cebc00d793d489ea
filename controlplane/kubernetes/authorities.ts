/** Has the authorities of the control plane's certificate published where there are proxies, and in the webhook. */
import type { Logger } from '../../common/log.ts';
import type { WorkFigures } from '../core/kubernetes-figures.ts';
import { AuthorityPublisher } from './certificates/publisher.ts';
import { CONTROL_PLANE } from './api/names.ts';
import type { OwnerReference } from './api/object.ts';
import { type Changes, type Indexer, type KubeClient, WorkQueue } from './runtime/index.ts';
import { INJECT_LABEL, SIDECAR_LABEL } from './webhook/inject.ts';

export interface AuthoritiesOptions {
  readonly client: KubeClient;
  readonly reader: Indexer;
  readonly ca: () => string;
  /** The configuration of the webhook that is told of them. */
  readonly webhook: string | undefined;
  /** With which what is published goes. */
  readonly owner: OwnerReference | undefined;
  readonly leads: () => boolean;
  readonly log: Logger;
}

/** No namespace is called so. */
const WEBHOOK_KEY = '/webhook';

export class Authorities {
  readonly #reader: Indexer;
  readonly #queue: WorkQueue;
  /** With Gateways. */
  #namespaces: ReadonlySet<string> = new Set();

  constructor(options: AuthoritiesOptions) {
    const { client, reader, ca, webhook, owner, leads, log } = options;
    this.#reader = reader;
    const publisher = new AuthorityPublisher({
      client,
      ca,
      isNeeded: (namespace) => this.#isNeeded(namespace),
      live: (namespace) => reader.get('ConfigMap', namespace, CONTROL_PLANE.caConfigMap),
      ...(webhook !== undefined && { webhook: () => reader.get('MutatingWebhookConfiguration', '', webhook) }),
      ...(owner && { owner }),
      leads,
      log,
    });
    this.#queue = new WorkQueue({
      work: (key) => (key === WEBHOOK_KEY ? publisher.reconcileWebhook() : publisher.reconcile(key)),
      onFailure: (key, error, failures) => {
        if (failures > 1) return;
        const where = key === WEBHOOK_KEY ? { webhook } : { namespace: key };
        log.warn({ ...where, error }, 'the authorities were not published: it is tried again');
      },
    });
  }

  get figures(): WorkFigures {
    return this.#queue;
  }

  /** The namespaces in which there are Gateways, from now on. */
  set(namespaces: ReadonlySet<string>): void {
    const before = this.#namespaces;
    this.#namespaces = namespaces;
    for (const each of namespaces) if (!before.has(each)) this.#queue.add(each);
    for (const each of before) if (!namespaces.has(each)) this.#queue.add(each);
  }

  /** Something may have changed that decides where they are needed, or what was published. */
  changed(changes: Changes): void {
    for (const key of changes.get('Namespace') ?? []) this.#queue.add(nameIn(key));
    for (const key of changes.get('Pod') ?? []) this.#queue.add(namespaceIn(key));
    for (const key of changes.get('ConfigMap') ?? []) {
      if (nameIn(key) === CONTROL_PLANE.caConfigMap) this.#queue.add(namespaceIn(key));
    }
    if (changes.has('MutatingWebhookConfiguration')) this.#queue.add(WEBHOOK_KEY);
  }

  /** The authorities have changed, or this replica begins to lead. */
  refresh(): void {
    for (const { metadata } of this.#reader.list('Namespace')) this.#queue.add(metadata.name);
    this.#queue.add(WEBHOOK_KEY);
  }

  /** Resolves once nothing waits to be published. */
  idle(): Promise<void> {
    return this.#queue.idle();
  }

  async close(): Promise<void> {
    await this.#queue.close();
  }

  #isNeeded(namespace: string): boolean {
    if (this.#namespaces.has(namespace)) return true;
    const labels = this.#reader.get('Namespace', '', namespace)?.metadata.labels ?? {};
    if (labels[INJECT_LABEL] === 'enabled') return true;
    const [injected] = this.#reader.by('Pod', BY_INJECTION, namespace);
    return injected !== undefined;
  }
}

function namespaceIn(key: string): string {
  return key.slice(0, key.indexOf('/'));
}

function nameIn(key: string): string {
  return key.slice(key.indexOf('/') + 1);
}

/**
 * The index of pods with a sidecar, or that ask for one, by their namespace. The webhook's configuration may name another label to ask
 * by: those have a sidecar only, and wait for their volumes.
 */
export const BY_INJECTION = 'injection';

export function injectionOf({ metadata }: { readonly metadata: PodMetadata }): readonly string[] {
  const { namespace = '', labels = {} } = metadata;
  return labels[INJECT_LABEL] === 'enabled' || labels[SIDECAR_LABEL] !== undefined ? [namespace] : [];
}

interface PodMetadata {
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
}
