/** Deletes Sessions whose time is over. */
import type { WorkFigures } from '../core/kubernetes-figures.ts';
import type { KubeRef } from './api/object.ts';
import type { KubeReader } from './api/reader.ts';
import { expiryOf } from './resources/expiry.ts';
import { isNotFound, type KubeClient, WorkQueue } from './runtime/index.ts';
import { WATCHED_KINDS } from './watched-kinds.ts';

export class SessionReaper {
  readonly #queue: WorkQueue;
  readonly #leads: () => boolean;
  #expired: readonly KubeRef[] = [];

  constructor(client: Pick<KubeClient, 'delete'>, reader: Pick<KubeReader, 'get'>, leads: () => boolean) {
    this.#leads = leads;
    this.#queue = new WorkQueue({
      work: async (key) => {
        const [namespace = '', name = ''] = key.split('/');
        const session = reader.get('Session', namespace, name);
        const type = WATCHED_KINDS.get('Session')?.type;
        // It may have been given more time since, or another may have come that is called so.
        if (!leads() || !session || !type || (expiryOf(session) ?? Infinity) > Date.now()) return;
        const { uid, resourceVersion } = session.metadata;
        try {
          await client.delete(type, { namespace, name }, { uid, resourceVersion });
        } catch (error) {
          if (!isNotFound(error)) throw error;
        }
      },
    });
  }

  get figures(): WorkFigures {
    return this.#queue;
  }

  /** All of them, as of now. */
  set(expired: readonly KubeRef[]): void {
    this.#expired = expired;
    this.refresh();
  }

  /** When this replica begins to lead. */
  refresh(): void {
    if (!this.#leads()) return;
    for (const { namespace, name } of this.#expired) this.#queue.add(`${namespace}/${name}`);
  }

  /** Resolves once nothing waits to be deleted. */
  idle(): Promise<void> {
    return this.#queue.idle();
  }

  async close(): Promise<void> {
    await this.#queue.close();
  }
}
