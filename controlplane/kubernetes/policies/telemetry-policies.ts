/** TelemetryPolicies: which of them counts for an object or a Gateway's port, and the policies' statuses. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import type { TelemetryTarget } from '../../../gen/l7mp/kubernetes/v1/types.ts';
import { formatFault } from '../../../common/errors.ts';
import { contentFaults } from '../../model/decode-content.ts';
import { CONTROLLER_NAME, GROUP } from '../api/names.ts';
import type { TelemetryPolicy } from '../api/own-kinds.ts';
import { fullName, sortByAge } from '../api/order.ts';
import { type KubeReader, type KubeTranslation, refOf, type StatusPlan } from '../api/reader.ts';
import { soundReader } from '../api/sound.ts';
import type { TelemetrySettings } from '../api/telemetry-settings.ts';
import { condition, type Verdict } from '../api/verdict.ts';

export interface TelemetryTranslation extends KubeTranslation {
  readonly telemetryOf: TelemetrySettings;
}

/** Nothing of a policy is merged with another's: the one that counts says all. */
export function translateTelemetryPolicies(reader: KubeReader): TelemetryTranslation {
  const effective = new Map<string, TelemetryPolicy>();
  const statuses = sortByAge(soundReader(reader).list('TelemetryPolicy')).map((policy): StatusPlan => {
    const { namespace = '', generation } = policy.metadata;
    const wrong = faultOf(policy);
    const ancestors = (policy.spec?.targetRefs ?? []).map((target) => {
      const { group = GROUP, kind, name, sectionName } = target;
      const place = placeOf(reader, namespace, target);
      const against = wrong ?? ('reason' in place ? place : taken(effective.get(place.key)));
      if (against === undefined && 'key' in place) effective.set(place.key, policy);
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
    telemetryOf: (object, port) => {
      const { namespace = '', name } = object.metadata;
      const ofPort = port === undefined ? undefined : effective.get(keyOf(object.kind, namespace, name, port));
      const policy = ofPort ?? effective.get(keyOf(object.kind, namespace, name));
      return policy?.spec?.telemetry;
    },
  };
}

function keyOf(kind: string, namespace: string, name: string, port?: number): string {
  return `${kind} ${namespace}/${name}/${port ?? ''}`;
}

/** Proxies have one listener for each port, whose sessions are told of alike: policies meet there. */
function placeOf(
  reader: KubeReader,
  namespace: string,
  { kind, name, sectionName }: TelemetryTarget,
): { readonly key: string } | Verdict {
  if (reader.get(kind, namespace, name) === undefined) {
    return { reason: 'TargetNotFound', message: `there is no ${kind} ${namespace}/${name}` };
  }
  if (kind !== 'Gateway' || sectionName === undefined) return { key: keyOf(kind, namespace, name) };
  const listeners = reader.get('Gateway', namespace, name)?.spec?.listeners ?? [];
  const port = listeners.find((listener) => listener.name === sectionName)?.port;
  if (port !== undefined) return { key: keyOf(kind, namespace, name, port) };
  const has = listeners.map((listener) => listener.name).join(', ');
  const message = `the Gateway ${namespace}/${name} has no listener ${sectionName}: it has ${has}`;
  return { reason: 'TargetNotFound', message };
}

// Objects never change.
const known = new WeakMap<TelemetryPolicy, Verdict | false>();

/** What is wrong with it must not be what is wrong with all that it is attached to. */
function faultOf(policy: TelemetryPolicy): Verdict | undefined {
  let found = known.get(policy);
  if (found === undefined) {
    const options = { telemetry: (policy.spec?.telemetry ?? {}) as Json };
    const listener = { spec: { protocol: 'UDP', port: 1 }, rules: [], options };
    const faults = contentFaults({ key: { kind: 'Listener', name: 'any' }, labels: {}, spec: listener });
    const texts = faults.map((fault) => formatFault({ ...fault, path: fault.path.replace(/^options\./u, 'spec.') }));
    found = texts.length > 0 && { reason: 'Invalid', message: texts.join('; ') };
    known.set(policy, found);
  }
  return found === false ? undefined : found;
}

function taken(holder: TelemetryPolicy | undefined): Verdict | undefined {
  return holder && { reason: 'Conflicted', message: `the TelemetryPolicy ${fullName(holder)} is older, and counts` };
}
