/** Names for objects that have none: the same file gives the same names each time it is read. */
import type { Kind, Owner } from './snapshot.ts';
import { isPlain } from './scalars.ts';

export class AutoNames {
  private readonly isTaken: (kind: Kind, name: string) => boolean;
  /** The next number to try, by what stands in front of it. */
  private readonly next = new Map<string, number>();

  constructor(isTaken: (kind: Kind, name: string) => boolean) {
    this.isTaken = isTaken;
  }

  /** `L-RuleList-1`, `R-ingress-Cluster-1`: after the owner. Without one: `Cluster-1`. */
  ofPart(kind: Kind, owner: Owner | undefined, infix: string | undefined): string {
    const prefix = [owner?.name, infix, kind].filter((part) => part !== undefined).join('-');
    return this.numbered(kind, prefix);
  }

  /** `UDP-5000`: after what it listens on; the second such `UDP-5000-2`. */
  ofListener(protocol: string | undefined, port: string | number | undefined): string {
    const base = [protocol, port].filter((part) => part !== undefined).join('-') || 'Listener';
    return this.isTaken('Listener', base) ? this.numbered('Listener', base, 2) : base;
  }

  private numbered(kind: Kind, prefix: string, first = 1): string {
    const key = `${kind} ${prefix}`;
    let number = this.next.get(key) ?? first;
    while (this.isTaken(kind, `${prefix}-${number}`)) number++;
    this.next.set(key, number + 1);
    return `${prefix}-${number}`;
  }
}

/** Gives a name to each endpoint that has none: `C-EndPoint-1`. */
export function nameEndpoints(endpoints: readonly unknown[], cluster: string): void {
  const taken = new Set(endpoints.map((each) => (isPlain(each) ? each['name'] : undefined)));
  let number = 1;
  for (const each of endpoints) {
    if (!isPlain(each) || each['name'] !== undefined) continue;
    while (taken.has(`${cluster}-EndPoint-${number}`)) number++;
    each['name'] = `${cluster}-EndPoint-${number++}`;
  }
}
