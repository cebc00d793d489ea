/** The resources that the control plane gave and that were accepted, by kind and name. */
import type { ConfigObjects, ConfigSnapshot, HandedOut, Owned } from '../../config/snapshot.ts';
import { type ListName, LISTS } from '../../config/kinds.ts';
import type { Held, ResourceKind } from './types.ts';

/** Objects that may be added and taken out; of whatever type each list has. */
type Lists = Record<ListName, Map<string, Owned<object>>>;

export class Inventory {
  private readonly kinds = new Map<ResourceKind, Map<string, Held>>();

  of(kind: ResourceKind): ReadonlyMap<string, Held> {
    return this.kinds.get(kind) ?? new Map<string, Held>();
  }

  *all(): Iterable<Held> {
    for (const held of this.kinds.values()) yield* held.values();
  }

  put(held: Held): void {
    const names = this.kinds.get(held.kind) ?? new Map<string, Held>();
    this.kinds.set(held.kind, names.set(held.name, held));
  }

  delete(kind: ResourceKind, name: string): void {
    this.kinds.get(kind)?.delete(name);
  }

  /** What it comes to, without objects whose names the proxy has itself. */
  desired(snapshot: ConfigSnapshot): { readonly objects: ConfigObjects; readonly handedOut: HandedOut } {
    const lists = emptyLists();
    const assignments = new Map();
    const secrets = new Map();
    for (const { name, content } of this.all()) {
      if ('assignment' in content) assignments.set(name, content.assignment);
      else if ('secret' in content) secrets.set(name, content.secret);
      else addAll(lists, content.objects, (list, each) => snapshot[list].get(each)?.source !== 'local');
    }
    return { objects: typed(lists), handedOut: { assignments, secrets } };
  }

  /** All objects that a new one stands beside: the proxy's own, and those that are held. */
  surroundings(snapshot: ConfigSnapshot): Surroundings {
    const lists = emptyLists();
    for (const { content } of this.all()) if ('objects' in content) addAll(lists, content.objects);
    addAll(lists, snapshot, (list, name) => snapshot[list].get(name)?.source === 'local');
    return new Surroundings(lists);
  }
}

/** What is there while the resources of a response are decoded, one after the other. */
export class Surroundings {
  private readonly lists: Lists;

  constructor(lists: Lists) {
    this.lists = lists;
  }

  get objects(): ConfigObjects {
    return typed(this.lists);
  }

  add({ content }: Held): void {
    if ('objects' in content) addAll(this.lists, content.objects);
  }

  /** Without these, which are about to be replaced: their names are not taken. */
  remove({ content }: Held): void {
    if (!('objects' in content)) return;
    for (const list of LISTS) {
      for (const [name, object] of content.objects[list]) {
        if (this.lists[list].get(name) === object) this.lists[list].delete(name);
      }
    }
  }
}

function emptyLists(): Lists {
  return { listeners: new Map(), clusters: new Map(), rulelists: new Map(), rules: new Map(), routes: new Map() };
}

function addAll(
  lists: Lists,
  objects: ConfigObjects,
  wanted: (list: ListName, name: string) => boolean = () => true,
): void {
  for (const list of LISTS) {
    for (const [name, object] of objects[list]) if (wanted(list, name)) lists[list].set(name, object);
  }
}

/** Only objects of its own type are put into a list. */
function typed(lists: Lists): ConfigObjects {
  return lists as unknown as ConfigObjects;
}
