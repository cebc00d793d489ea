/** TrafficPolicies: which of them counts for a Service's port, what clusters have of it, and the policies' statuses. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import type { ServiceRef } from '../../../gen/l7mp/kubernetes/v1/types.ts';
import { formatFault } from '../../../common/errors.ts';
import { contentFaults } from '../../model/decode-content.ts';
import { CONTROLLER_NAME } from '../api/names.ts';
import type { TrafficPolicy } from '../api/own-kinds.ts';
import { fullName, sortByAge } from '../api/order.ts';
import { type KubeReader, type KubeTranslation, refOf, type StatusPlan } from '../api/reader.ts';
import { type ServiceSettings, STANDARD_SETTINGS } from '../api/service-settings.ts';
import { soundReader } from '../api/sound.ts';
import { condition, type Verdict } from '../api/verdict.ts';

export interface PoliciesTranslation extends KubeTranslation {
  readonly settingsOf: ServiceSettings;
}

/** Nothing of a policy is merged with another's, or half of it taken: the one that counts says all. */
export function translatePolicies(reader: KubeReader): PoliciesTranslation {
  const effective = new Map<string, TrafficPolicy>();
  const statuses = sortByAge(soundReader(reader).list('TrafficPolicy')).map((policy): StatusPlan => {
    const { namespace = '', generation } = policy.metadata;
    const wrong = faultOf(policy);
    const ancestors = (policy.spec?.targetRefs ?? []).map((target) => {
      const { group = '', kind, name, sectionName } = target;
      const key = keyOf(namespace, name, sectionName);
      const against = wrong ?? missing(reader, namespace, target) ?? taken(effective.get(key));
      if (against === undefined) effective.set(key, policy);
      return {
        ancestorRef: { group, kind, namespace, name, ...(sectionName !== undefined && { sectionName }) },
        controllerName: CONTROLLER_NAME,
        conditions: [
          condition('Accepted', generation, against, { reason: 'Accepted', message: 'the policy is in effect' }),
        ],
      };
    });
    return { ref: refOf(policy), objects: [], render: () => ({ ancestors }) };
  });
  return {
    objects: [],
    statuses,
    settingsOf({ metadata: { namespace = '', name } }, port) {
      const ofPort = port.name === undefined ? undefined : effective.get(keyOf(namespace, name, port.name));
      const policy = ofPort ?? effective.get(keyOf(namespace, name));
      return policy === undefined ? STANDARD_SETTINGS : { ...STANDARD_SETTINGS, ...settingsIn(policy) };
    },
  };
}

function keyOf(namespace: string, name: string, section = ''): string {
  return `${namespace}/${name}/${section}`;
}

/** What stands in a policy is fields of a cluster, but for what it is attached to. */
function settingsIn({ spec }: TrafficPolicy): Record<string, Json> {
  return Object.fromEntries(Object.entries(spec ?? {}).filter(([field]) => field !== 'targetRefs'));
}

// Objects never change.
const known = new WeakMap<TrafficPolicy, Verdict | false>();

/** What is wrong with it must not be what is wrong with the clusters of all who use the Service. */
function faultOf(policy: TrafficPolicy): Verdict | undefined {
  let found = known.get(policy);
  if (found === undefined) {
    // Which protocol it is says nothing of what a policy may have: those of Services all have addresses.
    const cluster = { spec: { protocol: 'TCP' }, discovery: { service: 'any' }, ...settingsIn(policy) };
    const faults = contentFaults({ key: { kind: 'Cluster', name: 'any' }, labels: {}, spec: cluster });
    const texts = faults.map((fault) => formatFault({ ...fault, path: `spec.${fault.path}` }));
    found = texts.length > 0 && { reason: 'Invalid', message: texts.join('; ') };
    known.set(policy, found);
  }
  return found === false ? undefined : found;
}

function missing(reader: KubeReader, namespace: string, { name, sectionName }: ServiceRef): Verdict | undefined {
  const service = reader.get('Service', namespace, name);
  if (service === undefined) {
    return { reason: 'TargetNotFound', message: `there is no Service ${namespace}/${name}` };
  }
  const ports = service.spec?.ports ?? [];
  if (sectionName === undefined || ports.some((port) => port.name === sectionName)) return undefined;
  const names = ports.flatMap((port) => port.name ?? []);
  const has = names.length === 0 ? 'its ports have no names' : `it has ${names.join(', ')}`;
  return {
    reason: 'TargetNotFound',
    message: `the Service ${namespace}/${name} has no port named ${sectionName}: ${has}`,
  };
}

function taken(holder: TrafficPolicy | undefined): Verdict | undefined {
  return holder && { reason: 'Conflicted', message: `the TrafficPolicy ${fullName(holder)} is older, and counts` };
}
