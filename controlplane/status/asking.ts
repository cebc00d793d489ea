/** What a proxy asks for, and so what it is waited for: it may take some types only, or some names of them. */
import type { Asked, ResourceKey } from '../core/resource.ts';
import { particularsOf } from '../model/resource-types.ts';

/** A proxy asks for a resource; or that depends on the names that it asks for of these types. */
export type Verdict = 'yes' | 'no' | 'by-name';

/** Whether a proxy that takes something new of a type may come to ask for more because of it. */
export function leadsOn(typeUrl: string): boolean {
  return !particularsOf(typeUrl).leaf;
}

export class Asking {
  /**
   * It has done nothing for a while that may lead to its asking for more: what it does not ask for by now it does without.
   * Until then it is waited for with everything that it is sent.
   */
  settled = false;
  private readonly types = new Map<string, Asked>();
  private text: string | undefined;

  /** True: it asks for a type that it did not ask for before. */
  set(typeUrl: string, asked: Asked): boolean {
    const first = !this.types.has(typeUrl);
    this.types.set(typeUrl, asked);
    this.text = undefined;
    return first;
  }

  delete(typeUrl: string): void {
    this.types.delete(typeUrl);
    this.text = undefined;
  }

  /** Type URLs. */
  asked(): Iterable<string> {
    return this.types.keys();
  }

  asksForAll(typeUrl: string): boolean {
    return this.types.get(typeUrl)?.wildcard === true;
  }

  /** Proxies of equal signatures ask for the same, but for names. */
  get signature(): string {
    if (!this.decided) return '';
    this.text ??= [...this.types].map(([typeUrl, { wildcard }]) => `${typeUrl} ${wildcard}`).join('\n');
    return this.text;
  }

  /** The same for all proxies of a signature. `referrers`: resources because of which it would ask for this one. */
  verdict(resource: ResourceKey, referrers: readonly ResourceKey[]): Verdict {
    if (!this.decided) return 'yes';
    let verdict: Verdict = 'no';
    for (const { typeUrl } of [resource, ...referrers]) {
      const asked = this.types.get(typeUrl);
      if (asked?.wildcard) return 'yes';
      if (asked) verdict = 'by-name';
    }
    return verdict;
  }

  /** Whether this proxy asks for a resource, or is to. */
  covers(resource: ResourceKey, referrers: () => readonly ResourceKey[]): boolean {
    const asksFor = ({ typeUrl, name }: ResourceKey): boolean => this.types.get(typeUrl)?.covers(name) === true;
    return !this.decided || asksFor(resource) || referrers().some(asksFor);
  }

  private get decided(): boolean {
    return this.settled && this.types.size > 0;
  }
}
