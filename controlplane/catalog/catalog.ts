/**
 * Which proxy gets what. Objects with equal audiences are a group; proxies that are in the same groups share one view:
 *
 *     object ──> group (selector) ──> shelf (a set of groups) ──> view <── proxies
 *
 * A change costs what it touches: the shelves of the groups of the objects that changed.
 */
import type { Catalog, View } from '../core/catalog.ts';
import type { NodeEvent, NodeFacts, Resource, ResourceKey } from '../core/resource.ts';
import { Slices } from '../../common/slices.ts';
import { compileAudience } from '../model/audience.ts';
import { resourceId } from '../model/resource-id.ts';
import type { Matcher } from '../model/selector.ts';
import type { Translated, Translation } from '../model/translated.ts';

export interface CatalogOptions {
  readonly createView: () => View;
  /** Hears what proxies say. */
  readonly observe: (event: NodeEvent) => void;
  /** How long a view is kept that no proxy looks at, in ms. 60,000 when absent. */
  readonly keep?: number;
}

interface Group {
  readonly key: string;
  readonly serial: number;
  readonly matches: Matcher;
  /** The only proxies that may match; absent: any. */
  readonly ids: readonly string[] | undefined;
  readonly objects: Map<string, Translated>;
  readonly shelves: Set<Shelf>;
}

/** Proxies that see the same. */
interface Shelf {
  key: string;
  readonly groups: Set<Group>;
  readonly proxies: Map<string, NodeFacts>;
  view: View;
  expiry: NodeJS.Timeout | undefined;
}

/** Where an object is. */
export interface Placed {
  readonly translated: Translated;
  /** The proxies that it is for, in parts that see the same. */
  readonly audiences: readonly ReadonlyMap<string, NodeFacts>[];
}

/** More views than this are not kept for nobody. */
const MAX_EMPTY = 100;

export class AudienceCatalog implements Catalog {
  onMove: Catalog['onMove'] = () => {};
  readonly observe: Catalog['observe'];
  private readonly options: CatalogOptions;
  private readonly groups = new Map<string, Group>();
  private readonly open = new Set<Group>();
  private readonly byId = new Map<string, Set<Group>>();
  private readonly shelves = new Map<string, Shelf>();
  private readonly placed = new Map<string, { readonly translated: Translated; readonly group: Group }>();
  private readonly attached = new Map<string, Shelf>();
  private empty = 0;
  private serials = 0;
  /** A change came to no end: views may have some of it. */
  private doubtful = false;

  constructor(options: CatalogOptions) {
    this.options = options;
    this.observe = options.observe;
  }

  attach(node: NodeFacts): View {
    const { id } = node;
    const groups = this.groupsOf(node);
    const before = this.attached.get(id);
    const shelf = this.shelfOf(groups);
    this.place(node, shelf);
    if (before !== undefined && before !== shelf) this.onMove(id, shelf.view);
    return shelf.view;
  }

  detach(id: string): void {
    const shelf = this.attached.get(id);
    this.attached.delete(id);
    if (shelf) this.leave(id, shelf);
  }

  close(): void {
    for (const { expiry } of this.shelves.values()) clearTimeout(expiry);
  }

  /** Where an input is now; undefined where no proxy could get it. */
  find(id: string): Placed | undefined {
    const found = this.placed.get(id);
    return found && { translated: found.translated, audiences: [...found.group.shelves].map(({ proxies }) => proxies) };
  }

  /** What an input is translated to now; undefined where there is none. */
  translated(id: string): Translated | undefined {
    return this.placed.get(id)?.translated;
  }

  /** The resources of a proxy, of all types that objects have. */
  viewOf(id: string): View | undefined {
    return this.attached.get(id)?.view;
  }

  get proxies(): number {
    return this.attached.size;
  }

  get views(): number {
    return this.shelves.size;
  }

  /**
   * Takes a change over, and makes it visible as a whole to each proxy that it concerns: view after view, with pauses for
   * others. Whoever attaches meanwhile gets all of the old, soon to be changed, or all of the new. It must have come to its
   * end before the next change. Where it fails it may be made again, with others: it makes all views anew then.
   */
  async apply(change: Pick<Translation, 'upsert' | 'remove'>): Promise<void> {
    const renew = this.doubtful;
    this.doubtful = true;
    await (renew ? this.renew(change) : this.update(change));
    this.doubtful = false;
  }

  private async update({ upsert, remove }: Pick<Translation, 'upsert' | 'remove'>): Promise<void> {
    const slices = new Slices();
    const deltas = new Map<string, Delta>();
    for (const id of [...remove, ...upsert.map((each) => each.id)]) {
      if (slices.isOver) await slices.next();
      const before = this.placed.get(id);
      if (before === undefined) continue;
      const delta = deltaIn(deltas, before.group.key);
      for (const resource of before.translated.resources) delta.remove.set(resourceId(resource), resource);
    }
    for (const { audienceKey, resources } of upsert) {
      if (slices.isOver) await slices.next();
      const delta = deltaIn(deltas, audienceKey);
      for (const resource of resources) delta.upsert.set(resourceId(resource), resource);
    }
    // Who attaches was given all of the old until here.
    const moves = new Map<string, Shelf>();
    const fresh = new Set<Shelf>();
    for (const translated of upsert) this.ensureGroup(translated, moves, fresh);
    this.arrange(upsert, remove);
    // Who attaches may be on these already.
    for (const shelf of fresh) fill(shelf);
    const groups = [...deltas.keys()].flatMap((key) => this.groups.get(key) ?? []);
    const concerned = new Set(groups.flatMap(({ shelves }) => [...shelves]));
    for (const shelf of concerned) {
      if (!fresh.has(shelf)) await applyDelta(shelf.view, deltaOf(shelf, deltas), slices);
    }
    for (const group of groups) if (group.objects.size === 0) this.dropGroup(group, moves);
    for (const [id, shelf] of moves) if (this.attached.get(id) === shelf) this.onMove(id, shelf.view);
  }

  /** Whatever views hold: each proxy is sent from a new one what is different in that. */
  private async renew({ upsert, remove }: Pick<Translation, 'upsert' | 'remove'>): Promise<void> {
    const slices = new Slices();
    for (const translated of upsert) this.ensureGroup(translated, new Map(), new Set());
    this.arrange(upsert, remove);
    for (const group of [...this.groups.values()]) if (group.objects.size === 0) this.dropGroup(group, new Map());
    for (const shelf of [...this.shelves.values()]) {
      if (slices.isOver) await slices.next();
      shelf.view = this.options.createView();
      fill(shelf);
      for (const id of shelf.proxies.keys()) this.onMove(id, shelf.view);
    }
  }

  /** Puts each object where it belongs. */
  private arrange(upsert: readonly Translated[], remove: readonly string[]): void {
    for (const id of [...remove, ...upsert.map((each) => each.id)]) {
      this.placed.get(id)?.group.objects.delete(id);
      this.placed.delete(id);
    }
    for (const translated of upsert) {
      const group = this.groups.get(translated.audienceKey);
      if (group === undefined) continue;
      group.objects.set(translated.id, translated);
      this.placed.set(translated.id, { translated, group });
    }
  }

  private groupsOf(node: NodeFacts): Group[] {
    const candidates = [...this.open, ...(this.byId.get(node.id) ?? [])];
    return candidates.filter((group) => group.matches(node));
  }

  private shelfOf(groups: Iterable<Group>): Shelf {
    const key = shelfKey(groups);
    const known = this.shelves.get(key);
    if (known) return known;
    const shelf = this.newShelf(key, groups);
    fill(shelf);
    return shelf;
  }

  private newShelf(key: string, groups: Iterable<Group>): Shelf {
    const shelf: Shelf = {
      key,
      groups: new Set(groups),
      proxies: new Map(),
      view: this.options.createView(),
      expiry: undefined,
    };
    this.shelves.set(key, shelf);
    for (const group of shelf.groups) group.shelves.add(shelf);
    this.empty++;
    return shelf;
  }

  private place(node: NodeFacts, shelf: Shelf): void {
    const before = this.attached.get(node.id);
    if (before !== undefined && before !== shelf) this.leave(node.id, before);
    if (shelf.proxies.size === 0) {
      this.empty--;
      clearTimeout(shelf.expiry);
      shelf.expiry = undefined;
    }
    shelf.proxies.set(node.id, node);
    this.attached.set(node.id, shelf);
  }

  private leave(id: string, shelf: Shelf): void {
    if (!shelf.proxies.delete(id) || shelf.proxies.size > 0) return;
    this.empty++;
    if (this.empty > MAX_EMPTY) {
      this.dropShelf(shelf);
      return;
    }
    shelf.expiry = setTimeout(() => this.dropShelf(shelf), this.options.keep ?? 60_000);
    shelf.expiry.unref();
  }

  private dropShelf(shelf: Shelf): void {
    clearTimeout(shelf.expiry);
    if (this.shelves.get(shelf.key) === shelf) this.shelves.delete(shelf.key);
    for (const group of shelf.groups) group.shelves.delete(shelf);
    this.empty--;
  }

  /** Makes the group of an audience where there is none, and finds who is in it. */
  private ensureGroup({ audience, audienceKey: key }: Translated, moves: Map<string, Shelf>, fresh: Set<Shelf>): void {
    if (this.groups.has(key)) return;
    const ids = audience.selector?.match_ids ?? [];
    const group: Group = {
      key,
      serial: ++this.serials,
      matches: compileAudience(audience),
      ids: ids.length > 0 ? ids : undefined,
      objects: new Map(),
      shelves: new Set(),
    };
    this.groups.set(key, group);
    if (group.ids === undefined) this.open.add(group);
    for (const id of group.ids ?? []) {
      const groups = this.byId.get(id);
      if (groups) groups.add(group);
      else this.byId.set(id, new Set([group]));
    }
    for (const shelf of this.shelvesToAsk(group)) {
      const inside = [...shelf.proxies.values()].filter((node) => group.matches(node));
      if (inside.length === 0) continue;
      const wanted = [...shelf.groups, group];
      if (inside.length === shelf.proxies.size) {
        this.rekey(shelf, wanted);
        continue;
      }
      const target = this.newShelf(shelfKey(wanted), wanted); // there is none: the group is new
      fresh.add(target);
      for (const node of inside) {
        this.place(node, target);
        moves.set(node.id, target);
      }
    }
  }

  private shelvesToAsk({ ids }: Group): Shelf[] {
    if (ids === undefined) return [...this.shelves.values()];
    return [...new Set(ids.flatMap((id) => this.attached.get(id) ?? []))];
  }

  /** The same proxies, in other groups. */
  private rekey(shelf: Shelf, groups: Iterable<Group>): void {
    this.shelves.delete(shelf.key);
    for (const group of shelf.groups) group.shelves.delete(shelf);
    shelf.groups.clear();
    for (const group of groups) {
      shelf.groups.add(group);
      group.shelves.add(shelf);
    }
    shelf.key = shelfKey(shelf.groups);
    this.shelves.set(shelf.key, shelf);
  }

  /** A group without objects tells nothing apart: its proxies see what those see that were not in it. */
  private dropGroup(group: Group, moves: Map<string, Shelf>): void {
    this.groups.delete(group.key);
    this.open.delete(group);
    for (const id of group.ids ?? []) {
      const groups = this.byId.get(id);
      groups?.delete(group);
      if (groups?.size === 0) this.byId.delete(id);
    }
    for (const shelf of [...group.shelves]) {
      const left = [...shelf.groups].filter((each) => each !== group);
      const target = this.shelves.get(shelfKey(left));
      if (target === undefined) {
        this.rekey(shelf, left);
        continue;
      }
      for (const node of [...shelf.proxies.values()]) {
        this.place(node, target);
        moves.set(node.id, target);
      }
      if (this.shelves.get(shelf.key) === shelf) this.dropShelf(shelf);
    }
  }
}

interface Delta {
  readonly upsert: Map<string, Resource>;
  readonly remove: Map<string, ResourceKey>;
}

/** That of a group, by its key; an empty one is made where there is none. */
function deltaIn(deltas: Map<string, Delta>, group: string): Delta {
  let delta = deltas.get(group);
  if (delta === undefined) deltas.set(group, (delta = { upsert: new Map(), remove: new Map() }));
  return delta;
}

/** What the changes of a shelf's groups come to. `deltas`: by the keys of groups. */
function deltaOf({ groups }: Shelf, deltas: ReadonlyMap<string, Delta>): Delta {
  const found = [...groups].flatMap(({ key }) => deltas.get(key) ?? []);
  const [only] = found;
  if (only && found.length === 1) return only;
  return {
    upsert: new Map(found.flatMap(({ upsert }) => [...upsert])),
    remove: new Map(found.flatMap(({ remove }) => [...remove])),
  };
}

/** Gives a new view all that there is of the shelf's groups. */
function fill({ groups, view }: Shelf): void {
  const upsert = new Map<string, Resource>();
  for (const { objects } of groups) {
    for (const { resources } of objects.values()) {
      for (const resource of resources) upsert.set(resourceId(resource), resource);
    }
  }
  if (upsert.size > 0) view.apply({ upsert: [...upsert.values()], remove: [] });
}

/**
 * Only what is different there, found in slices and then applied at once. A resource that one object lost and another has now is
 * put, not taken out.
 */
async function applyDelta(view: View, { upsert, remove }: Delta, slices: Slices): Promise<void> {
  const has = ({ typeUrl, name }: ResourceKey): Resource | undefined => view.resources(typeUrl).get(name);
  const changed: Resource[] = [];
  for (const resource of upsert.values()) {
    if (slices.isOver) await slices.next();
    if (!isSame(has(resource), resource)) changed.push(resource);
  }
  const gone: ResourceKey[] = [];
  for (const [key, { typeUrl, name }] of remove) {
    if (slices.isOver) await slices.next();
    if (!upsert.has(key) && has({ typeUrl, name })) gone.push({ typeUrl, name });
  }
  if (changed.length > 0 || gone.length > 0) view.apply({ upsert: changed, remove: gone });
}

function isSame(one: Resource | undefined, other: Resource): boolean {
  return one !== undefined && (one === other || one.version === other.version);
}

function shelfKey(groups: Iterable<Group>): string {
  return [...groups]
    .map(({ serial }) => serial)
    .sort((one, other) => one - other)
    .join();
}
