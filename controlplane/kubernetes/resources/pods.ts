/** Pods by namespace, as selectors see them: with the labels that proxies in them have. */
import type { Selectable } from '../../model/selector.ts';
import type { Pod } from '../api/core-kinds.ts';
import { PROXY_LABELS } from '../api/names.ts';
import { compare, groupBy } from '../api/order.ts';
import type { KubeReader } from '../api/reader.ts';

export interface SelectablePod extends Selectable {
  readonly pod: Pod;
}

export interface Pods {
  /** Those that have not ended, in the order of their names. */
  in(namespace: string): readonly SelectablePod[];
}

/** Nothing is read before it is asked for. */
export function createPods(reader: KubeReader): Pods {
  let all: ReadonlyMap<string, readonly SelectablePod[]> | undefined;
  return {
    in(namespace) {
      all ??= groupBy(selectable(reader), ({ pod }) => pod.metadata.namespace ?? '');
      return all.get(namespace) ?? [];
    },
  };
}

function selectable(reader: KubeReader): SelectablePod[] {
  return [...reader.list('Pod')]
    .filter(({ status = {} }) => status.phase !== 'Succeeded' && status.phase !== 'Failed')
    .map((pod) => ({ id: `${pod.metadata.namespace ?? ''}/${pod.metadata.name}`, labels: labelsOf(pod), pod }))
    .sort((one, other) => compare(one.id, other.id));
}

function labelsOf({ metadata, spec = {} }: Pod): Record<string, string> {
  const { nodeName, serviceAccountName } = spec;
  return {
    ...metadata.labels,
    [PROXY_LABELS.namespace]: metadata.namespace ?? '',
    [PROXY_LABELS.pod]: metadata.name,
    ...(nodeName !== undefined && { [PROXY_LABELS.node]: nodeName }),
    ...(serviceAccountName !== undefined && { [PROXY_LABELS.serviceAccount]: serviceAccountName }),
  };
}
