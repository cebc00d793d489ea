/** What a GatewayClass or a Gateway asks of its infrastructure: the ConfigMap that `parametersRef` names. */
import type { Gateway, GatewayClass, ObjectReference } from '../api/gateway-kinds.ts';
import type { KubeReader } from '../api/reader.ts';
import { CORE_GROUP } from './group.ts';
import { joined, type Verdict } from './verdict.ts';

export interface Parameters {
  /** `Deployment` when absent. */
  readonly workload?: 'Deployment' | 'DaemonSet';
  /** Of a Deployment. */
  readonly replicas?: number;
  /** `LoadBalancer` when absent. */
  readonly serviceType?: 'LoadBalancer' | 'NodePort' | 'ClusterIP';
}

const KNOWN: Readonly<Record<string, { readonly expected: string; readonly fits: (text: string) => boolean }>> = {
  workload: choice('Deployment', 'DaemonSet'),
  replicas: { expected: 'a number from 0 to 1000', fits: (text) => /^\d{1,4}$/u.test(text) && Number(text) <= 1000 },
  serviceType: choice('LoadBalancer', 'NodePort', 'ClusterIP'),
};

function choice(...words: string[]): { expected: string; fits: (text: string) => boolean } {
  return { expected: `one of ${words.join(', ')}`, fits: (text) => words.includes(text) };
}

export type ReadParameters =
  { readonly parameters: Parameters; readonly fault?: undefined } | { readonly fault: Verdict };

export function classParameters(reader: KubeReader, { spec }: GatewayClass): ReadParameters {
  const ref = spec?.parametersRef;
  return ref === undefined ? { parameters: {} } : readParameters(reader, ref.namespace ?? '', ref);
}

/** The Gateway's own; they stand in front of those of its class. */
export function gatewayParameters(reader: KubeReader, { metadata, spec }: Gateway): ReadParameters {
  const ref = spec?.infrastructure?.parametersRef;
  return ref === undefined ? { parameters: {} } : readParameters(reader, metadata.namespace ?? '', ref);
}

function readParameters(reader: KubeReader, namespace: string, ref: ObjectReference): ReadParameters {
  const { group = CORE_GROUP, kind = '', name } = ref;
  const invalid = (message: string): ReadParameters => ({ fault: { reason: 'InvalidParameters', message } });
  if (group !== CORE_GROUP || kind !== 'ConfigMap') {
    return invalid(
      `parametersRef: expected a ConfigMap, found ${group === CORE_GROUP ? kind : `${group}/${kind}`} ${name}`,
    );
  }
  const map = reader.get('ConfigMap', namespace, name);
  if (map === undefined) return invalid(`parametersRef: ConfigMap ${namespace}/${name} does not exist`);
  const faults: Verdict[] = [];
  for (const [key, text] of Object.entries(map.data ?? {})) {
    const known = Object.hasOwn(KNOWN, key) ? KNOWN[key] : undefined;
    if (known?.fits(text) === true) continue;
    const expected = known?.expected ?? `one of the keys ${Object.keys(KNOWN).join(', ')}`;
    const found = known === undefined ? key : JSON.stringify(text.slice(0, 60));
    const message = `ConfigMap ${namespace}/${name}: ${known === undefined ? '' : `${key}: `}expected ${expected}, found ${found}`;
    faults.push({ reason: 'InvalidParameters', message });
  }
  const fault = joined(faults);
  if (fault !== undefined) return { fault };
  const { replicas, ...words } = map.data ?? {};
  return { parameters: { ...words, ...(replicas !== undefined && { replicas: Number(replicas) }) } };
}
