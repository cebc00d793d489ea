/** Which changes are of what somebody asks for: statuses come back as changes, too, and most of them are our own. */
import type { KubeObject } from './api/object.ts';
import type { KubeReader } from './api/reader.ts';
import type { Changes, KindName } from './runtime/index.ts';

export class Asked {
  readonly #reader: KubeReader;
  readonly #kinds: readonly KindName[];
  /** By kind and key, what an object asked for when it was looked at last. */
  readonly #known = new Map<string, string>();

  /** `kinds`: those whose statuses don't count. They have them as a subresource, so that their generation tells of the rest. */
  constructor(reader: KubeReader, kinds: Iterable<KindName>) {
    this.#reader = reader;
    this.#kinds = [...kinds];
    for (const kind of this.#kinds)
      for (const object of this.#reader.list(kind) as Iterable<KubeObject>) {
        const { namespace = '', name } = object.metadata;
        this.#known.set(`${kind}/${namespace}/${name}`, printOf(object));
      }
  }

  /** The kinds of which more has changed than statuses. */
  changed(changes: Changes): Set<KindName> {
    const found = new Set<KindName>();
    for (const [kind, keys] of changes) {
      // Without keys, the kind itself came or went.
      if (!this.#kinds.includes(kind) || keys.size === 0) found.add(kind);
      else for (const key of keys) if (this.#isNew(kind, key)) found.add(kind);
    }
    return found;
  }

  #isNew(kind: KindName, key: string): boolean {
    const [namespace = '', name = ''] = key.split('/');
    const object = this.#reader.get(kind, namespace, name) as KubeObject | undefined;
    const id = `${kind}/${key}`;
    if (object === undefined) return this.#known.delete(id);
    const print = printOf(object);
    if (this.#known.get(id) === print) return false;
    this.#known.set(id, print);
    return true;
  }
}

function printOf({ metadata }: KubeObject): string {
  const { uid, generation, deletionTimestamp, labels, annotations } = metadata;
  return JSON.stringify([uid, generation, deletionTimestamp, labels, annotations]);
}
