/**
 * What other replicas have said of their proxies. A replica writes its summary value by value, and its heartbeat last: what it
 * says counts from then on, as a whole.
 */
import type { EntryOf, Section } from './summary.ts';

/** The name of the value that is the heartbeat. */
export const BEAT = 'beat';

/** What a heartbeat holds. */
export interface Beat {
  /** When, in ISO 8601. */
  readonly at: string;
  /** What was said by then is of proxies that are given this revision, or a later one. */
  readonly revision: number;
  /** Different each time that a replica is started: two may have one name by mistake. */
  readonly run: string;
}

type Content = Readonly<Record<string, unknown>>;

/** One of the others. */
export class Other {
  /** When it was heard of, as far as that is known, in ms since 1970; 0: never. */
  heardAt = 0;
  /** When something of it was last seen here, in ms since 1970. */
  seenAt = Date.now();
  /** -1: it has said nothing. */
  revision = -1;
  /** The revision of its heartbeat; 0: there is none. */
  beatRevision = 0;
  /** All values that it has in the store, but the heartbeat. */
  readonly names = new Set<string>();
  private readonly parts = new Map<string, Content>();
  private readonly staged = new Map<string, Content | undefined>();
  private readonly sections = new Map<string, ReadonlyMap<string, unknown>>();

  stage(name: string, content: Content | undefined): void {
    if (content) this.names.add(name);
    else this.names.delete(name);
    this.staged.set(name, content);
  }

  /** What was staged counts. */
  beat({ revision }: Pick<Beat, 'revision'>, modRevision: number, heardAt: number): void {
    this.revision = revision;
    this.beatRevision = modRevision;
    this.heardAt = Math.max(this.heardAt, heardAt);
    const changed = new Set<string>();
    for (const [name, content] of this.staged) {
      changed.add(sectionOf(name));
      if (content) this.parts.set(name, content);
      else this.parts.delete(name);
    }
    this.staged.clear();
    for (const section of changed) {
      const parts = [...this.parts].filter(([name]) => sectionOf(name) === section);
      this.sections.set(section, new Map(parts.flatMap(([, content]) => Object.entries(content))));
    }
  }

  entries<S extends Section>(section: S): ReadonlyMap<string, EntryOf<S>> {
    return (this.sections.get(section) ?? new Map()) as ReadonlyMap<string, EntryOf<S>>;
  }
}

export class Others {
  private readonly silence: number;
  private all = new Map<string, Other>();

  /** One that was not heard of for `silence` ms does not count. */
  constructor(silence: number) {
    this.silence = silence;
  }

  /** All are listed anew: those that count stay, as ones that have said nothing. */
  relist(): void {
    const before = new Map(this.alive());
    this.all = new Map();
    for (const [id, { heardAt }] of before) this.of(id).heardAt = heardAt;
  }

  /** @param listed It was there already: it is as old as it says. What comes is of now, as clocks differ. */
  put(id: string, name: string, content: Content, modRevision: number, listed: boolean): void {
    const other = this.of(id);
    other.seenAt = Date.now();
    if (name !== BEAT) {
      other.stage(name, content);
      return;
    }
    const { at = '', revision = -1 } = content as Partial<Beat>;
    other.beat({ revision }, modRevision, listed ? Date.parse(at) || 0 : Date.now());
  }

  /** A sign of life, of one that has said something. */
  heard(id: string, at: number): void {
    const other = this.all.get(id);
    if (!other) return;
    other.seenAt = Date.now();
    other.heardAt = Math.max(other.heardAt, at);
  }

  remove(id: string, name: string): void {
    if (name === BEAT) this.all.delete(id);
    else this.all.get(id)?.stage(name, undefined);
  }

  *alive(): Iterable<readonly [id: string, other: Other]> {
    const oldest = Date.now() - this.silence;
    for (const each of this.all) if (each[1].heardAt >= oldest) yield each;
  }

  /** Those of which nothing was seen for so long, in ms. */
  *notSeenFor(ms: number): Iterable<readonly [id: string, other: Other]> {
    const oldest = Date.now() - ms;
    for (const each of this.all) if (each[1].seenAt < oldest) yield each;
  }

  private of(id: string): Other {
    const other = this.all.get(id) ?? new Other();
    this.all.set(id, other);
    return other;
  }
}

function sectionOf(name: string): string {
  return name.slice(0, name.indexOf('/'));
}
