/** The labels that a proxy has by its pod: what selectors match on. */
import type { Pod } from './core-kinds.ts';
import { PROXY_LABELS } from './names.ts';

/** Those of the pod, and where it is: of the proxy that comes with the pod's token as of the pod that a selector is to select. */
export function proxyLabels({ metadata, spec = {} }: Pod): Readonly<Record<string, string>> {
  const { namespace = '', name, labels = {} } = metadata;
  const { nodeName, serviceAccountName } = spec;
  return {
    ...labels,
    [PROXY_LABELS.namespace]: namespace,
    [PROXY_LABELS.pod]: name,
    ...(nodeName !== undefined && { [PROXY_LABELS.node]: nodeName }),
    ...(serviceAccountName !== undefined && { [PROXY_LABELS.serviceAccount]: serviceAccountName }),
  };
}
