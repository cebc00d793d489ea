/** Pods to inject, and patches applied to them as the API server does. */
import type { AdmissionRequest, PatchOperation } from '../../../../../controlplane/kubernetes/webhook/admission.ts';
import type { InjectorSettings } from '../../../../../controlplane/kubernetes/webhook/settings.ts';

export const SETTINGS: InjectorSettings = {
  image: 'l7mp/proxy:1',
  controlPlane: 'l7mp-controlplane.l7mp-system:1235',
  audience: 'l7mp',
  caConfigMap: 'l7mp-ca',
  caKey: 'ca.crt',
  env: [],
  logLevel: 'info',
  drainSeconds: 10,
  capture: 'all',
  resources: { requests: { cpu: '50m', memory: '64Mi' } },
  pagesPort: 15_020,
};

export interface Pod {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly labels?: Record<string, string>;
    readonly annotations?: Record<string, string>;
  };
  readonly spec: {
    readonly initContainers?: Record<string, unknown>[];
    readonly containers: Record<string, unknown>[];
    readonly volumes?: Record<string, unknown>[];
  } & Record<string, unknown>;
}

export function pod(metadata: object = {}, spec: object = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'app', ...metadata },
    spec: { containers: [{ name: 'app', image: 'app:1' }], ...spec },
  };
}

export function request(object: unknown, operation = 'CREATE'): AdmissionRequest {
  return { uid: 'u-1', operation, kind: 'Pod', namespace: 'default', object };
}

/** RFC 6902, `add` alone; it throws where the place is not there. */
export function patched(object: Pod, patch: readonly PatchOperation[]): Pod {
  const copy = structuredClone(object);
  for (const { op, path, value } of patch) {
    const keys = path
      .split('/')
      .slice(1)
      .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = keys.pop() ?? '';
    let place: unknown = copy;
    for (const key of keys) place = (place as Record<string, unknown>)[key];
    if (op !== 'add' || typeof place !== 'object' || place === null) throw new Error(`can not ${op} ${path}`);
    if (Array.isArray(place)) place.splice(last === '-' ? place.length : Number(last), 0, value);
    else (place as Record<string, unknown>)[last] = value;
  }
  return copy;
}
