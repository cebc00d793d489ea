/**
 * What is live, as `ConfigObject`s for people and `kubectl get configobjects`: copies, which whoever leads writes after a change,
 * with secrets hidden. Nothing is ever read from them.
 */
import { createHash } from 'node:crypto';
import type { Logger } from '../../../common/log.ts';
import { isOver, pause } from '../../../common/signal.ts';
import { type Entry, type Store, StoreError } from '../../core/store.ts';
import { hideSecrets } from '../../model/hidden.ts';
import { OBJECTS } from '../../model/keys.ts';
import { fromStored } from '../../model/object.ts';
import { isMissing, type ResourceKind, type StoredObject } from './api.ts';
import { STORE_LABEL } from './head.ts';
import { inParallel, type Scope } from './records.ts';

export const CONFIG_OBJECT: ResourceKind = {
  group: 'l7mp.io',
  version: 'v1',
  kind: 'ConfigObject',
  plural: 'configobjects',
  namespaced: true,
};

/** Of which revision of the store the copy is. */
const REVISION = 'l7mp.io/revision';
/** Of a name, before the hash that makes it unique. */
const MAX_CHARACTERS = 180;
const RETRY_MS = 30_000;

/** Until `signal` aborts. It never fails: what does is in the log, and all is looked at again. */
export async function showObjects(
  store: Pick<Store, 'list' | 'watch'>,
  scope: Scope,
  signal: AbortSignal,
  log: Logger,
): Promise<void> {
  const shown = new Shown({ ...scope, signal });
  for (let failed = false; !signal.aborted;) {
    try {
      const { entries, revision } = await store.list(OBJECTS);
      await shown.reconcile(entries);
      failed = false;
      for await (const { events } of store.watch(OBJECTS, revision, signal)) {
        await inParallel(events, (event) =>
          event.type === 'put' ? shown.put(event.entry) : shown.remove(shown.nameOf(event.key)),
        );
      }
    } catch (error) {
      if (isOver(signal) || (error instanceof StoreError && error.code === 'CLOSED')) return;
      if (error instanceof StoreError && error.code === 'COMPACTED') continue;
      const what = 'ConfigObjects, which show what is live, could not be written: it is tried again';
      if (!failed) log.warn({ error: (error as Error).message }, what);
      failed = true;
      await pause(RETRY_MS, signal);
    }
  }
}

class Shown {
  readonly #scope: Scope;

  constructor(scope: Scope) {
    this.#scope = scope;
  }

  nameOf(key: string): string {
    const readable = key
      .slice(OBJECTS.length)
      .toLowerCase()
      .replace(/[^a-z\d]+/gu, '-');
    const hash = createHash('sha256').update(key).digest('hex').slice(0, 10);
    return `${this.#scope.name}-${readable.slice(0, MAX_CHARACTERS)}-${hash}`.replace(/-{2,}/gu, '-');
  }

  async reconcile(entries: readonly Entry[]): Promise<void> {
    const found = await this.#list();
    const wanted = new Set(entries.map(({ key }) => this.nameOf(key)));
    const isNew = ({ key, modRevision }: Entry): boolean => found.get(this.nameOf(key)) !== `${modRevision}`;
    await inParallel(
      [...found.keys()].filter((name) => !wanted.has(name)),
      (name) => this.remove(name),
    );
    await inParallel(entries.filter(isNew), (entry) => this.put(entry));
  }

  async put({ key, value, modRevision }: Entry): Promise<void> {
    const { client, namespace, name: store, timeoutMs, signal } = this.#scope;
    const object = hideSecrets(fromStored(value, modRevision));
    const { selector, labels, spec: content, raw, changedAt } = object;
    const spec = {
      ...{ ...object.key, revision: modRevision, labels, selector, content, changedAt },
      raw: raw?.toString('base64'),
    };
    const metadata = {
      ...{ namespace, name: this.nameOf(key), labels: { [STORE_LABEL]: store } },
      annotations: { [REVISION]: `${modRevision}` },
    };
    const applied: StoredObject = { apiVersion: 'l7mp.io/v1', kind: CONFIG_OBJECT.kind, metadata, spec };
    await client.apply(CONFIG_OBJECT, applied, { force: true, timeoutMs, signal });
  }

  async remove(name: string): Promise<void> {
    const { client, namespace, timeoutMs, signal } = this.#scope;
    await client.delete(CONFIG_OBJECT, { namespace, name }, { timeoutMs, signal }).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
    });
  }

  /** Revisions by name. */
  async #list(): Promise<Map<string, string>> {
    const { client, namespace, name, timeoutMs, signal } = this.#scope;
    const found = new Map<string, string>();
    const scope = { namespace, labelSelector: `${STORE_LABEL}=${name}`, metadataOnly: true, limit: 1000 };
    for (let next = ''; ;) {
      const page = await client.list(CONFIG_OBJECT, {
        ...scope,
        timeoutMs,
        signal,
        ...(next !== '' && { continue: next }),
      });
      for (const { metadata } of page.items) found.set(metadata.name, metadata.annotations?.[REVISION] ?? '');
      next = page.continue;
      if (next === '') return found;
    }
  }
}
