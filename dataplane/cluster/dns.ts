/** The addresses of named endpoints, looked up again and again. */
import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import type { Dns } from '../../gen/l7mp/config/v1/types.ts';
import type { Logger } from '../core/log.ts';

/** Every address of a name, in the system's order. */
export type Resolve = (name: string, family: Dns['family']) => Promise<readonly string[]>;

/** The system's resolver: /etc/hosts counts. */
export const systemResolve: Resolve = (name, family) =>
  new Promise((resolve, reject) => {
    const wanted = family === 'any' ? 0 : family === 'ipv4' ? 4 : 6;
    lookup(name, { all: true, family: wanted }, (error, addresses) => {
      if (error) reject(error);
      else resolve(addresses.map(({ address }) => address));
    });
  });

/** Whether an endpoint's address is a name to look up; paths and IP addresses are not. */
export function isName(address: string | undefined): address is string {
  return address !== undefined && address !== '' && isIP(address) === 0 && !/[/@]/u.test(address);
}

/** Keeps the last addresses of a name when a look-up fails. */
export class Resolver {
  private readonly config: Dns;
  private readonly resolve: Resolve;
  private readonly log: Logger;
  private readonly onChange: () => void;
  private readonly addresses = new Map<string, readonly string[]>();
  private readonly failed = new Set<string>();
  private names: readonly string[] = [];
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  /** Resolves when every name was looked up once, whatever came of it. */
  ready: Promise<void> = Promise.resolve();
  pending = false;

  constructor(config: Dns, log: Logger, onChange: () => void, resolve: Resolve = systemResolve) {
    this.config = config;
    this.log = log;
    this.onChange = onChange;
    this.resolve = resolve;
  }

  /** Looks these up from now on, at once and at the interval. */
  watch(names: readonly string[]): void {
    this.names = names;
    clearTimeout(this.timer);
    if (names.length === 0) return;
    this.pending = names.some((name) => !this.addresses.has(name));
    this.ready = this.refresh();
  }

  /** The addresses of a name: none before the first look-up. */
  of(name: string): readonly string[] {
    return this.addresses.get(name) ?? [];
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  private async refresh(): Promise<void> {
    const { names } = this;
    const changes = await Promise.all(names.map((name) => this.look(name)));
    if (this.closed || this.names !== names) return;
    this.pending = false;
    if (changes.includes(true)) this.onChange();
    this.timer = setTimeout(() => void this.refresh(), this.config.interval).unref();
  }

  /** True where the addresses have changed. */
  private async look(name: string): Promise<boolean> {
    try {
      const found = await this.resolve(name, this.config.family);
      // Resolvers turn the order round from time to time: only the set counts where all are taken.
      const taken = this.config.all ? [...new Set(found)].sort() : this.keepFirst(name, found);
      this.failed.delete(name);
      if (taken.length === 0 || taken.join() === this.of(name).join()) return false;
      this.addresses.set(name, taken);
      return true;
    } catch (error) {
      if (!this.failed.has(name)) {
        this.failed.add(name);
        const reason = error instanceof Error ? error.message : String(error);
        this.log.warn({ name, error: reason }, 'looking up an endpoint failed; its last addresses stay');
      }
      return false;
    }
  }

  /** The address that is in use, as long as the name still has it; else the first. */
  private keepFirst(name: string, found: readonly string[]): readonly string[] {
    const [current] = this.of(name);
    if (current !== undefined && found.includes(current)) return [current];
    return found.slice(0, 1);
  }
}
