/** Leaves out of objects what nobody here reads: it is the larger part of many, and changes more often than the rest. */
import type { ConfigMap, EndpointSlice, Pod, PodStatus } from '../api/core-kinds.ts';
import { CONTROL_PLANE, MANAGED_BY, MANAGED_BY_LABEL } from '../api/names.ts';
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

/** Of pods: where they are, their labels, and whether they are ready; of those of Gateways also why they don't start. */
export function trimPod(object: KubeObject): KubeObject {
  const { spec = {}, status = {} } = object as Pod;
  const { nodeName, serviceAccountName } = spec;
  const { phase, podIP, conditions = [] } = status;
  const isOurs = object.metadata.labels?.[MANAGED_BY_LABEL] === MANAGED_BY;
  return {
    ...named(object),
    spec: present({ nodeName, serviceAccountName }),
    status: {
      ...present({ phase, podIP }),
      conditions: readiness(conditions),
      ...(isOurs && troublesOf(status)),
    },
  };
}

/** What keeps a pod from a node, and its containers from running. */
function troublesOf({ conditions = [], containerStatuses = [] }: PodStatus): PodStatus {
  const unscheduled = conditions.filter(({ type, status }) => type === 'PodScheduled' && status === 'False');
  const waiting = containerStatuses.filter(({ state }) => state?.waiting);
  return {
    ...(waiting.length > 0 && {
      containerStatuses: waiting.map(({ name, state, lastState }) => ({ name, ...present({ state, lastState }) })),
    }),
    ...(unscheduled.length > 0 && {
      conditions: [
        ...readiness(conditions),
        ...unscheduled.map(({ type, status, reason, message }) => ({ type, status, ...present({ reason, message }) })),
      ],
    }),
  };
}

function readiness(conditions: NonNullable<PodStatus['conditions']>): NonNullable<PodStatus['conditions']> {
  return conditions.filter(({ type }) => type === 'Ready').map(({ type, status }) => ({ type, status }));
}

/** Of slices: addresses, ports and conditions. */
export function trimEndpointSlice(object: KubeObject): KubeObject {
  const { addressType, ports, endpoints } = object as EndpointSlice;
  const slice: EndpointSlice = {
    ...named(object),
    addressType,
    ports: ports ?? [],
    endpoints: (endpoints ?? []).map(({ addresses, conditions }) => ({ addresses, ...(conditions && { conditions }) })),
  };
  return slice;
}

/** Of ConfigMaps: the authorities that they may have, and all of those that we have made. */
export function trimConfigMap(object: KubeObject): KubeObject {
  const { metadata, data } = object as ConfigMap;
  if (metadata.labels?.[MANAGED_BY_LABEL] === MANAGED_BY) return object;
  const { [CONTROL_PLANE.caKey]: authorities } = data ?? {};
  const map: ConfigMap = {
    ...named(object),
    ...(authorities !== undefined && { data: { [CONTROL_PLANE.caKey]: authorities } }),
  };
  return map;
}

/** What an object is called, and found by. */
function named({ apiVersion, kind, metadata }: KubeObject): Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'> {
  const { name, namespace, uid, resourceVersion, labels, deletionTimestamp } = metadata;
  return {
    apiVersion,
    kind,
    metadata: { name, ...present({ namespace, uid, resourceVersion, labels, deletionTimestamp }) },
  };
}

type Present<Fields> = { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> };

function present<Fields extends object>(fields: Fields): Present<Fields> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<Fields>;
}
