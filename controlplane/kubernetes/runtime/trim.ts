/** Leaves out of objects what nobody here reads: it is the larger part of many. */
import type { KubeObject } from '../api/object.ts';

/** Gives the part of an object that is kept; it may change what it is given. */
export type Trim = (object: KubeObject) => KubeObject;

/** What `kubectl apply` remembers: the whole object once more. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

type Loose = Record<string, unknown>;

/** Of any kind. */
export function trimMetadata(object: KubeObject): KubeObject {
  const metadata = object.metadata as unknown as Loose;
  delete metadata['managedFields'];
  const annotations = metadata['annotations'] as Loose | undefined;
  if (annotations && LAST_APPLIED in annotations) {
    const others = Object.entries(annotations).filter(([name]) => name !== LAST_APPLIED);
    metadata['annotations'] = Object.fromEntries(others);
  }
  return object;
}

/** Of pods: where they are, their labels, and the ports that have names. */
export function trimPod(object: KubeObject): KubeObject {
  const { spec, status } = object as KubeObject<Loose, Loose>;
  const containers = (spec?.['containers'] ?? []) as readonly Loose[];
  return {
    ...object,
    spec: {
      nodeName: spec?.['nodeName'],
      serviceAccountName: spec?.['serviceAccountName'],
      containers: containers.map(({ name, ports }) => ({ name, ports })),
    },
    status: {
      phase: status?.['phase'],
      podIP: status?.['podIP'],
      podIPs: status?.['podIPs'],
      conditions: status?.['conditions'],
    },
  };
}
