/** What a backendRef leads to: a port of a Service with how it is spoken to, or why it leads nowhere. */
import type { Service, ServicePort } from '../api/core-kinds.ts';
import type { AnyRoute, BackendReference, RouteKind } from '../api/gateway-kinds.ts';
import type { KubeReader } from '../api/reader.ts';
import type { Grants, Referrer } from '../api/grants.ts';
import { CORE_GROUP, GATEWAY_GROUP } from './group.ts';
import { fullName } from '../api/order.ts';
import { backendProtocol, type BackendProtocol } from './protocols.ts';
import type { TlsPolicies, TlsPolicy } from './tls-policies.ts';
import type { Verdict } from '../api/verdict.ts';

export interface Backend {
  readonly service: Service;
  readonly port: ServicePort;
  readonly protocol: BackendProtocol;
  readonly policy?: TlsPolicy;
}

export type Resolved =
  { readonly backend: Backend; readonly fault?: undefined } | { readonly fault: Verdict; readonly service?: Service };

export interface Backends {
  /** `from`: who refers to it, and from where; the route when absent. */
  resolve(route: AnyRoute, ref: BackendReference, from?: Referrer): Resolved;
}

export function createBackends(reader: KubeReader, grants: Grants, policies: TlsPolicies): Backends {
  return {
    resolve(route, ref, from = { group: GATEWAY_GROUP, kind: route.kind, namespace: route.metadata.namespace ?? '' }) {
      const { group = CORE_GROUP, kind = 'Service', name, port: number } = ref;
      if (group !== CORE_GROUP || kind !== 'Service') {
        const found = group === CORE_GROUP ? kind : `${group}/${kind}`;
        return { fault: { reason: 'InvalidKind', message: `backend ${name}: expected a Service, found ${found}` } };
      }
      const { kind: by, namespace: home } = from;
      const { namespace = home } = ref;
      if (!grants(from, { group, kind, namespace, name })) {
        const message = `Service ${namespace}/${name}: no ReferenceGrant of ${namespace} lets ${by}s of ${home} refer to it`;
        return { fault: { reason: 'RefNotPermitted', message } };
      }
      const service = reader.get('Service', namespace, name);
      if (service === undefined) return missing(`Service ${namespace}/${name} does not exist`);
      if (service.spec?.type === 'ExternalName') {
        const message = `Service ${namespace}/${name} is an ExternalName: expected one with endpoints`;
        return { fault: { reason: 'InvalidKind', message } };
      }
      const ports = (service.spec?.ports ?? []).filter(({ port }) => port === number);
      if (ports.length === 0) return missing(`Service ${namespace}/${name} has no port ${number ?? '(none is named)'}`);
      const spoken = backendProtocol(route.kind as RouteKind, ports);
      if (typeof spoken === 'string') return unspoken(service, spoken);
      const policy = policies.of(service, spoken.port);
      if (spoken.protocol.secure === true && policy === undefined) {
        const found = spoken.port.appProtocol ?? '';
        return unspoken(service, `its appProtocol is ${found}, and no BackendTLSPolicy says whom to expect there`);
      }
      return { backend: { service, ...spoken, ...(policy && { policy }) } };
    },
  };
}

function missing(message: string): Resolved {
  return { fault: { reason: 'BackendNotFound', message } };
}

function unspoken(service: Service, why: string): Resolved {
  return { fault: { reason: 'UnsupportedProtocol', message: `Service ${fullName(service)}: ${why}` }, service };
}
