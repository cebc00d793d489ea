/** Pods by namespace, as selectors see them: with the labels that proxies in them have. */
import type { Selectable } from '../../model/selector.ts';
import type { Pod } from '../api/core-kinds.ts';
import { compare, groupBy } from '../api/order.ts';
import { proxyLabels } from '../api/proxy-labels.ts';
import type { KubeReader } from '../api/reader.ts';

export interface SelectablePod extends Selectable {
  readonly pod: Pod;
}

export interface Pods {
  /** Those that have not ended, in the order of their names. */
  in(namespace: string): readonly SelectablePod[];
  /** Those of them that have a label. */
  having(namespace: string, label: string, value: string): readonly SelectablePod[];
}

/** Nothing is read before it is asked for. */
export function createPods(reader: KubeReader): Pods {
  let all: ReadonlyMap<string, readonly Pod[]> | undefined;
  const ready = new Map<string, readonly SelectablePod[]>();
  const byLabel = new Map<string, ReadonlyMap<string | undefined, readonly SelectablePod[]>>();
  const pods: Pods = {
    in(namespace) {
      all ??= groupBy(reader.list('Pod'), ({ metadata }) => metadata.namespace ?? '');
      let found = ready.get(namespace);
      if (found === undefined) ready.set(namespace, (found = inOrder(all.get(namespace) ?? [])));
      return found;
    },
    having(namespace, label, value) {
      const key = `${namespace} ${label}`;
      let found = byLabel.get(key);
      if (found === undefined) byLabel.set(key, (found = groupBy(pods.in(namespace), ({ labels }) => labels[label])));
      return found.get(value) ?? [];
    },
  };
  return pods;
}

function inOrder(pods: readonly Pod[]): SelectablePod[] {
  return pods
    .filter(({ status = {} }) => status.phase !== 'Succeeded' && status.phase !== 'Failed')
    .map(selectable)
    .sort((one, other) => compare(one.id, other.id));
}

// Objects never change.
const known = new WeakMap<Pod, SelectablePod>();

function selectable(pod: Pod): SelectablePod {
  let found = known.get(pod);
  if (found === undefined) {
    found = { id: `${pod.metadata.namespace ?? ''}/${pod.metadata.name}`, labels: proxyLabels(pod), pod };
    known.set(pod, found);
  }
  return found;
}
