/** The endpoints of the services that clusters name: worked out service by service, as their slices change. */
import type { ObjectContent } from '../model/object.ts';
import { type EndpointSlice, SERVICE_NAME_LABEL } from './api/core-kinds.ts';
import { parseEndpointsName } from './api/names.ts';
import type { OwnedContent } from './api/reader.ts';
import { assignmentOf, type ServicePortRef } from './endpoints/assignment.ts';
import type { Changes, Indexer } from './runtime/index.ts';

/** The index of slices by their service, `NAMESPACE/NAME`. */
export const BY_SERVICE = 'service';

export class EndpointsFeed {
  readonly #reader: Indexer;
  /** By service, the ports that somebody names. */
  #wanted: ReadonlyMap<string, ReadonlyMap<string, ServicePortRef>> = new Map();
  /** What has gone can't be asked for its service. */
  readonly #serviceOf = new Map<string, string>();

  constructor(reader: Indexer) {
    this.#reader = reader;
  }

  /** Takes over what clusters name now. Gives the services of which other ports are wanted than before. */
  want(contents: readonly OwnedContent[]): Set<string> {
    const wanted = new Map<string, Map<string, ServicePortRef>>();
    for (const { content } of contents) {
      const name = serviceNameOf(content);
      const ref = name === undefined ? undefined : parseEndpointsName(name);
      if (name === undefined || ref === undefined) continue;
      const service = `${ref.namespace}/${ref.service}`;
      let ports = wanted.get(service);
      if (!ports) wanted.set(service, (ports = new Map<string, ServicePortRef>()));
      ports.set(name, ref);
    }
    const before = this.#wanted;
    this.#wanted = wanted;
    const changed = new Set<string>();
    for (const [service, ports] of wanted) if (!isSame(ports, before.get(service))) changed.add(service);
    for (const service of before.keys()) if (!wanted.has(service)) changed.add(service);
    return changed;
  }

  /** Takes note of all slices that there are, for when they go. Gives all services of which ports are wanted. */
  learn(): Set<string> {
    for (const slice of this.#reader.list('EndpointSlice')) {
      const service = serviceOf(slice);
      const { namespace = '', name } = slice.metadata;
      if (service !== undefined) this.#serviceOf.set(`${namespace}/${name}`, service);
    }
    return new Set(this.#wanted.keys());
  }

  /** The services whose endpoints may have changed. */
  changed(changes: Changes): Set<string> {
    const services = new Set<string>();
    for (const key of changes.get('Service') ?? []) services.add(key);
    for (const key of changes.get('EndpointSlice') ?? []) {
      const before = this.#serviceOf.get(key);
      if (before !== undefined) services.add(before);
      const [namespace = '', name = ''] = key.split('/');
      const slice = this.#reader.get('EndpointSlice', namespace, name);
      const service = slice && serviceOf(slice);
      if (service === undefined) this.#serviceOf.delete(key);
      else {
        this.#serviceOf.set(key, service);
        services.add(service);
      }
    }
    for (const service of services) if (!this.#wanted.has(service)) services.delete(service);
    return services;
  }

  /** Of a service, the load assignments of all ports that are wanted. */
  assignments(service: string): readonly ObjectContent[] {
    const [namespace = '', name = ''] = service.split('/');
    const ports = [...(this.#wanted.get(service)?.values() ?? [])];
    const found = this.#reader.get('Service', namespace, name);
    return ports.map((port) => assignmentOf(port, found, this.#reader.by('EndpointSlice', BY_SERVICE, service)));
  }
}

/** `NAMESPACE/NAME` of the service that a slice belongs to. */
export function serviceOf({ metadata }: EndpointSlice): string | undefined {
  const name = metadata.labels?.[SERVICE_NAME_LABEL];
  return name === undefined ? undefined : `${metadata.namespace ?? ''}/${name}`;
}

function serviceNameOf({ key, spec }: ObjectContent): string | undefined {
  if (key.kind !== 'Cluster') return undefined;
  const discovery = spec?.['discovery'];
  const service =
    typeof discovery === 'object' && discovery !== null && 'service' in discovery ? discovery.service : discovery;
  return typeof service === 'string' ? service : undefined;
}

function isSame(one: ReadonlyMap<string, unknown>, other: ReadonlyMap<string, unknown> | undefined): boolean {
  return one.size === other?.size && [...one.keys()].every((key) => other.has(key));
}
