/** Has the authorities of the control plane's certificate published where there are proxies, and in the webhook. */
import type { Logger } from '../../common/log.ts';
import type { WorkFigures } from '../core/kubernetes-figures.ts';
import { AuthorityPublisher } from './certificates/publisher.ts';
import { CONTROL_PLANE } from './api/names.ts';
import type { OwnerReference } from './api/object.ts';
import { type Changes, type Indexer, type KubeClient, WorkQueue } from './runtime/index.ts';
import { INJECT_LABEL } from './webhook/inject.ts';

export interface AuthoritiesOptions {
  readonly client: KubeClient;
  readonly reader: Indexer;
  readonly ca: () => string;
  /** Namespaces with Gateways. */
  readonly namespaces: () => ReadonlySet<string>;
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
  readonly #options: AuthoritiesOptions;
  readonly #queue: WorkQueue;

  constructor(options: AuthoritiesOptions) {
    const { client, reader, ca, webhook, owner, leads, log } = options;
    this.#options = options;
    const publisher = new AuthorityPublisher({
      client,
      ca,
      isNeeded: (namespace) => this.#isNeeded(namespace),
      live: (namespace) => reader.get('ConfigMap', namespace, CONTROL_PLANE.caConfigMap),
      ...(webhook !== undefined && { webhook }),
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

  /** Something may have changed that decides where they are needed. */
  changed(changes: Changes): void {
    if (changes.has('Namespace') || changes.has('Pod') || changes.has('ConfigMap')) this.#addNamespaces();
  }

  /** The authorities have changed, Gateways have come or gone, or this replica begins to lead. */
  refresh(): void {
    this.#addNamespaces();
    this.#queue.add(WEBHOOK_KEY);
  }

  async close(): Promise<void> {
    await this.#queue.close();
  }

  #addNamespaces(): void {
    for (const { metadata } of this.#options.reader.list('Namespace')) this.#queue.add(metadata.name);
  }

  #isNeeded(namespace: string): boolean {
    const { reader, namespaces } = this.#options;
    if (namespaces().has(namespace)) return true;
    const labels = reader.get('Namespace', '', namespace)?.metadata.labels ?? {};
    if (labels[INJECT_LABEL] === 'enabled') return true;
    return [...reader.by('Pod', BY_INJECTION, namespace)].length > 0;
  }
}

/** The index of pods with a sidecar, by their namespace. */
export const BY_INJECTION = 'injection';

export function injectionOf({ metadata }: { readonly metadata: PodMetadata }): readonly string[] {
  return metadata.labels?.[INJECT_LABEL] === 'enabled' ? [metadata.namespace ?? ''] : [];
}

interface PodMetadata {
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
}
