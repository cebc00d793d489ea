/** Selectors of custom resources as those of configuration objects: on the labels that proxies have by their pods. */
import type { Selector as KubeSelector } from '../../../gen/l7mp/kubernetes/v1/types.ts';
import type { LabelRequirement, Selector } from '../../../gen/messages.ts';
import { compileSelector } from '../../model/selector.ts';
import type { Grants } from '../api/grants.ts';
import { GROUP, PROXY_LABELS } from '../api/names.ts';
import type { KubeObject } from '../api/object.ts';
import { compare } from '../api/order.ts';
import type { KubeReader } from '../api/reader.ts';
import type { Verdict } from '../api/verdict.ts';
import { impossibleLabels } from './labels.ts';
import type { Pods, SelectablePod } from './pods.ts';
import { verdict } from './reasons.ts';
import { parseReference } from './references.ts';

/** Which pods are meant: never those of namespaces that have not allowed it. */
export interface Selection {
  /** Absent: none. */
  readonly selector?: Selector;
  /** Where they are, in order. */
  readonly namespaces: readonly string[];
  readonly faults: readonly Verdict[];
}

export interface Selecting {
  readonly reader: KubeReader;
  readonly grants: Grants;
  readonly pods: Pods;
}

const FIELDS = {
  'metadata.name': PROXY_LABELS.pod,
  'metadata.namespace': PROXY_LABELS.namespace,
  'spec.nodeName': PROXY_LABELS.node,
  'spec.serviceAccountName': PROXY_LABELS.serviceAccount,
} as const;

/** What an object selects; `path` says where in it. An absent selector selects all pods of its namespace. */
export function selectionOf(
  { reader, grants }: Selecting,
  object: KubeObject,
  selector: KubeSelector = {},
  path = 'spec.selector',
): Selection {
  const home = object.metadata.namespace ?? '';
  const { matchNamespace = [], matchLabels = {}, matchExpressions = [], matchFields = [], matchService } = selector;
  const faults = impossibleLabels(selector, path).map((message) => verdict('Invalid', message));
  const isImpossible = faults.length > 0;
  const from = { group: GROUP, kind: object.kind, namespace: home };
  const namespaces: string[] = [];
  for (const namespace of new Set(matchNamespace.length === 0 ? [home] : matchNamespace)) {
    if (grants(from, { group: '', kind: 'Pod', namespace, name: '' })) namespaces.push(namespace);
    else faults.push(refused(reader, `${path}.matchNamespace: pods of ${namespace}`, namespace, from));
  }
  namespaces.sort(compare);
  const expressions: LabelRequirement[] = [
    { key: PROXY_LABELS.namespace, operator: 'In', values: namespaces },
    ...matchExpressions.map(({ key, operator, values = [] }) => ({ key, operator, values: [...values] })),
    ...matchFields.map(({ key, operator, values }) => ({ key: FIELDS[key], operator, values: [...values] })),
  ];
  if (matchService !== undefined) {
    const found = podsOfService(reader, matchService, home, namespaces);
    if (typeof found === 'string') {
      faults.push(verdict('RefNotFound', `${path}.matchService: ${found}`));
      return { namespaces: [], faults };
    }
    expressions.push(...found);
  }
  if (isImpossible) return { namespaces: [], faults };
  if (namespaces.length === 0) return { namespaces, faults };
  return {
    selector: { match_labels: { ...matchLabels }, match_expressions: expressions, match_ids: [] },
    namespaces,
    faults,
  };
}

/** Why something of another namespace can not be named. */
export function refused(
  reader: KubeReader,
  what: string,
  namespace: string,
  from: { readonly kind: string; readonly namespace: string },
): Verdict {
  const why = reader.has('ReferenceGrant')
    ? `no ReferenceGrant of ${namespace} lets a ${from.kind} of ${from.namespace} refer to it`
    : `other namespaces can be referred to only where ReferenceGrants are, and Gateway API is not installed`;
  return verdict('RefNotPermitted', `${what}: ${why}`);
}

/** The labels of the pods behind a Service, or why there are none. */
function podsOfService(
  reader: KubeReader,
  text: string,
  home: string,
  namespaces: readonly string[],
): LabelRequirement[] | string {
  const reference = parseReference(text, home);
  if (reference === undefined || reference.port !== undefined) return `"${text}" is not the name of a Service`;
  const { namespace, name } = reference;
  if (!namespaces.includes(namespace)) return `pods of ${namespace} are not selected from`;
  const service = reader.get('Service', namespace, name);
  if (service === undefined) return `there is no Service ${namespace}/${name}`;
  const labels = Object.entries(service.spec?.selector ?? {});
  if (labels.length === 0) return `the Service ${namespace}/${name} has no selector: what is behind it is not known`;
  const inNamespace = { key: PROXY_LABELS.namespace, operator: 'In', values: [namespace] };
  return [
    ...(namespaces.length > 1 ? [inNamespace] : []),
    ...labels.map(([key, value]) => ({ key, operator: 'In', values: [value] })),
  ];
}

/** The pods that are selected, in order. */
export function selectedPods({ pods }: Selecting, { selector, namespaces }: Selection): SelectablePod[] {
  if (selector === undefined) return [];
  const matches = compileSelector(selector);
  const [label] = Object.entries(selector.match_labels);
  return namespaces.flatMap((namespace) =>
    (label === undefined ? pods.in(namespace) : pods.having(namespace, ...label)).filter(matches),
  );
}
