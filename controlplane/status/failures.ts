/** What is wrong with resources in the proxies that are connected here: by resource, and by proxy. */
import type { ProxyFault } from '../../gen/messages.ts';
import type { Resource, ResourceKey } from '../core/resource.ts';
import { resourceId } from '../model/resource-id.ts';
import { MAX_MESSAGE } from './refusal.ts';

/** Faults of one proxy, or of one object, that are shown. What is counted has all of them, those beyond it without their words. */
export const MAX_FAULTS = 100;
const ONE_OF_MANY = `one of more than ${MAX_FAULTS} faults of this proxy`;

export interface Failure extends ProxyFault {
  readonly typeUrl: string;
  readonly name: string;
  readonly version: string;
}

/** Resources in all proxies with one fault, each as often as there are proxies. */
export interface FaultCount {
  /** The type URL. */
  readonly type: string;
  /** `NACK`, `failed` or `waiting`. */
  readonly kind: string;
  readonly count: number;
}

export class Failures {
  /** By proxy, then by resource. */
  private readonly byProxy = new Map<string, Map<string, Failure>>();
  /** By resource, then by proxy. */
  private readonly byResource = new Map<string, Map<string, Failure>>();

  get(proxy: string, resource: ResourceKey): Failure | undefined {
    return this.byProxy.get(proxy)?.get(resourceId(resource));
  }

  /** All of a proxy as of now. */
  of(proxy: string): readonly Failure[] {
    return [...(this.byProxy.get(proxy)?.values() ?? [])];
  }

  /** Takes the place of what was wrong with the resource in this proxy. The message is cut to 500 characters. */
  set({ message, ...rest }: Failure): void {
    const key = resourceId(rest);
    const own = mapAt(this.byProxy, rest.proxy);
    const isShown = own.has(key) || own.size < MAX_FAULTS;
    const failure: Failure = { ...rest, message: isShown ? message.slice(0, MAX_MESSAGE) : ONE_OF_MANY };
    own.set(key, failure);
    mapAt(this.byResource, key).set(rest.proxy, failure);
  }

  delete(failure: Failure): void {
    const key = resourceId(failure);
    removeAt(this.byProxy, failure.proxy, key);
    removeAt(this.byResource, key, failure.proxy);
  }

  /** Proxies of those concerned that refused these very versions, or in which they failed. */
  proxiesFailing(resources: readonly Resource[], isConcerned: (proxy: string) => boolean): ProxyFault[] {
    const failed = new Map<string, ProxyFault>();
    for (const resource of resources) {
      for (const [proxy, { version, kind, message }] of this.byResource.get(resourceId(resource)) ?? []) {
        if (kind === 'waiting' || version !== resource.version || !isConcerned(proxy)) continue;
        failed.set(proxy, { proxy, kind, message: `${resource.name}: ${message}` });
      }
    }
    return [...failed.values()];
  }

  count(): FaultCount[] {
    const counts = new Map<string, FaultCount>();
    for (const failures of this.byProxy.values()) {
      for (const { typeUrl, kind } of failures.values()) {
        const key = `${kind} ${typeUrl}`;
        counts.set(key, { type: typeUrl, kind, count: (counts.get(key)?.count ?? 0) + 1 });
      }
    }
    return [...counts.values()];
  }
}

type Table = Map<string, Map<string, Failure>>;

function mapAt(table: Table, key: string): Map<string, Failure> {
  let found = table.get(key);
  if (found === undefined) table.set(key, (found = new Map<string, Failure>()));
  return found;
}

function removeAt(table: Table, key: string, inner: string): void {
  const found = table.get(key);
  found?.delete(inner);
  if (found?.size === 0) table.delete(key);
}
