/** Objects of Gateway API for tests, in the namespace `default`. */
import type { KubeObject } from '../../controlplane/kubernetes/api/object.ts';
import { CONTROLLER_NAME } from '../../controlplane/kubernetes/api/names.ts';

function made(kind: string, name: string, spec: object, of = 'gateway.networking.k8s.io/v1'): KubeObject {
  return { apiVersion: of, kind, metadata: { name, namespace: 'default', generation: 1 }, spec };
}

export function gatewayClass(): KubeObject {
  const { metadata, ...rest } = made('GatewayClass', 'l7mp', { controllerName: CONTROLLER_NAME });
  return { ...rest, metadata: { name: metadata.name, generation: 1 } };
}

/** With one listener of HTTP at port 80, or those that are given. */
export function gateway(
  name: string,
  listeners: readonly object[] = [{ name: 'http', port: 80, protocol: 'HTTP' }],
): KubeObject {
  return made('Gateway', name, { gatewayClassName: 'l7mp', listeners });
}

export function httpRoute(name: string, parent: string, spec: object): KubeObject {
  return made('HTTPRoute', name, { parentRefs: [{ name: parent }], ...spec });
}

/** A Service with port 80. */
export function backend(name: string): KubeObject {
  return made('Service', name, { ports: [{ port: 80 }] }, 'v1');
}
