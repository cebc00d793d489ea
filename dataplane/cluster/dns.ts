/** The addresses of named endpoints, looked up again and again. */
import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import type { Dns } from '../../gen/l7mp/config/v1/types.ts';
import type { Logger } from '../../common/log.ts';

/** Every address of a name, in the resolver's order. */
export type Resolve = (name: string, family: Dns['family']) => Promise<readonly string[]>;

const FAMILY = { any: 0, ipv4: 4, ipv6: 6 } as const;

/** The system's resolver: /etc/hosts counts. */
export const systemResolve: Resolve = (name, family) =>
  new Promise((resolve, reject) => {
    lookup(name, { all: true, family: FAMILY[family] }, (error, addresses) => {
      if (error) reject(error);
      else resolve(addresses.map(({ address }) => address));
    });
  });

/** Whether an endpoint's address is a name to look up; paths and IP addresses are not. */
export function isName(address: string | undefined): address is string {
  return address !== undefined && address !== '' && isIP(address) === 0 && !/[/@]/u.test(address);
}

/** What is known of a name. */
interface Entry {
  /** All its addresses, sorted: resolvers turn their order round from time to time. */
  all: readonly string[];
  /** The one that is used where one is: it stays as long as the name has it. */
  first: string | undefined;
  /** Why the last look-up failed. */
  failure: string | undefined;
  /** It was looked up, whatever came of it. */
  answered: boolean;
  /** Counts look-ups: what an earlier one still answers is not heard. */
  lookups: number;
  timer: NodeJS.Timeout | undefined;
}

export interface ResolverOptions {
  readonly log: Logger;
  /** Called after each look-up; `changed`: the name has other addresses now. */
  readonly onAnswer: (changed: boolean) => void;
  readonly resolve?: Resolve | undefined;
}

/** Each name has a life of its own: one that takes long, or fails, holds no other back. */
export class Resolver {
  private config: Dns;
  private readonly options: ResolverOptions;
  private readonly entries = new Map<string, Entry>();
  private started = false;

  constructor(config: Dns, options: ResolverOptions) {
    this.config = config;
    this.options = options;
  }

  /** These names are wanted from now on, and no others. New ones are looked up at once, or at the start. */
  watch(names: readonly string[]): void {
    for (const [name, entry] of this.entries) {
      if (names.includes(name)) continue;
      clearTimeout(entry.timer);
      this.entries.delete(name);
    }
    for (const name of names) {
      if (this.entries.has(name)) continue;
      const entry: Entry = {
        all: [],
        first: undefined,
        failure: undefined,
        answered: false,
        lookups: 0,
        timer: undefined,
      };
      this.entries.set(name, entry);
      if (this.started) void this.look(name, entry);
    }
  }

  /** Looks names up from now on, at the interval. */
  start(): void {
    this.started = true;
    for (const [name, entry] of this.entries) void this.look(name, entry);
  }

  /** Looks names up anew in another way; until then they keep their addresses. */
  configure(config: Dns): void {
    this.config = config;
    if (this.started) this.start();
  }

  close(): void {
    this.started = false;
    for (const entry of this.entries.values()) {
      clearTimeout(entry.timer);
      entry.lookups++;
      entry.answered = true; // nothing more will come
    }
  }

  /** Whether a name has not been looked up yet. */
  get pending(): boolean {
    for (const { answered } of this.entries.values()) if (!answered) return true;
    return false;
  }

  /** The addresses of a name that are taken: none before the first look-up. */
  of(name: string): readonly string[] {
    const entry = this.entries.get(name);
    if (entry?.first === undefined) return [];
    return this.config.all ? entry.all : [entry.first];
  }

  /** What went wrong with a name that has no addresses. */
  failures(): string[] {
    return [...this.entries].flatMap(([name, { first, failure }]) =>
      first === undefined && failure !== undefined ? [`${name}: ${failure}`] : [],
    );
  }

  private async look(name: string, entry: Entry): Promise<void> {
    clearTimeout(entry.timer);
    const lookup = ++entry.lookups;
    let found: readonly string[] = [];
    let failure: string | undefined;
    try {
      found = await (this.options.resolve ?? systemResolve)(name, this.config.family);
      if (found.length === 0) failure = 'it has no addresses';
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    if (this.entries.get(name) !== entry || entry.lookups !== lookup) return;
    const before = this.of(name).join();
    this.record(name, entry, found, failure);
    entry.timer = setTimeout(() => void this.look(name, entry), this.config.interval).unref();
    this.options.onAnswer(this.of(name).join() !== before);
  }

  private record(name: string, entry: Entry, found: readonly string[], failure: string | undefined): void {
    const { log } = this.options;
    entry.answered = true;
    if (failure === undefined) {
      if (entry.failure !== undefined) log.info({ name }, 'looking up an endpoint works again');
      entry.all = [...new Set(found)].sort();
      if (entry.first === undefined || !found.includes(entry.first)) entry.first = found[0];
    } else if (entry.failure === undefined) {
      log.warn({ name, error: failure }, 'looking up an endpoint failed; it keeps the addresses that it has');
    }
    entry.failure = failure;
  }
}
