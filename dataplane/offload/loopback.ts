/** Lets the stack take packets on lo that come from an address of this host, as those do that are redirected to it. */
import { readFileSync, writeFileSync } from 'node:fs';

const SETTINGS = ['accept_local', 'route_localnet'].map((name) => `/proc/sys/net/ipv4/conf/lo/${name}`);

export class Loopback {
  private readonly before = new Map<string, string>();

  /** Whether it could be set, for the lo of this network namespace alone. */
  open(): boolean {
    try {
      for (const path of SETTINGS) {
        const value = readFileSync(path, 'utf8').trim();
        if (value === '1') continue;
        writeFileSync(path, '1');
        this.before.set(path, value);
      }
      return true;
    } catch {
      return false; // a read-only /proc
    }
  }

  /** Everything as it was. */
  close(): void {
    for (const [path, value] of this.before) writeFileSync(path, value);
    this.before.clear();
  }
}
