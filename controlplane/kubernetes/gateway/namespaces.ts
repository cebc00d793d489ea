/** Which namespaces a listener or a Gateway takes routes or listeners from. */
import type { FromNamespaces, LabelSelector } from '../api/gateway-kinds.ts';
import type { KubeReader } from '../api/reader.ts';

/** Whether what is in `namespace` may attach to what is in `home`; `otherwise` is the default of `from`. */
export function allowsNamespace(
  reader: KubeReader,
  { from, selector }: FromNamespaces,
  otherwise: 'Same' | 'None',
  home: string,
  namespace: string,
): boolean {
  switch (from ?? otherwise) {
    case 'All':
      return true;
    case 'Same':
      return home === namespace;
    case 'Selector': {
      // Without a selector nobody is meant: who forgets one must not open the door to all.
      const labels = reader.get('Namespace', '', namespace)?.metadata.labels;
      return selector !== undefined && selects(selector, { ...labels, [NAME_LABEL]: namespace });
    }
    default:
      return false;
  }
}

/** API servers give it to each namespace. */
const NAME_LABEL = 'kubernetes.io/metadata.name';

/** As in metav1.LabelSelector: all must hold; an operator that is not known holds for nobody. */
export function selects(
  { matchLabels = {}, matchExpressions = [] }: LabelSelector,
  labels: Readonly<Record<string, string>>,
): boolean {
  const value = (key: string): string | undefined => (Object.hasOwn(labels, key) ? labels[key] : undefined);
  return (
    Object.entries(matchLabels).every(([key, wanted]) => value(key) === wanted) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const found = value(key);
      switch (operator) {
        case 'In':
          return found !== undefined && values.includes(found);
        case 'NotIn':
          return found === undefined || !values.includes(found);
        case 'Exists':
          return found !== undefined;
        case 'DoesNotExist':
          return found === undefined;
        default:
          return false;
      }
    })
  );
}
