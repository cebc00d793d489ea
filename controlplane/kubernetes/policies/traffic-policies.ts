/** TrafficPolicies: what they come to for a row of targets, and their statuses. */
import type { PolicyMirror } from '../../../gen/l7mp/kubernetes/v1/types.ts';
import { type Grants, readGrants } from '../api/grants.ts';
import { GROUP } from '../api/names.ts';
import type { Condition } from '../api/object.ts';
import type { TrafficPolicy } from '../api/own-kinds.ts';
import type { MirrorWish, Policies } from '../api/policies.ts';
import type { KubeReader, StatusPlan } from '../api/reader.ts';
import { soundReader } from '../api/sound.ts';
import { condition, joined, type Verdict } from '../api/verdict.ts';
import { attachPolicies } from './attachment.ts';
import { clusterFields, listenerFields, routeFields, trafficFault, unfitting } from './fields.ts';
import { sharedPorts } from './targets.ts';

export interface TrafficPolicies extends Pick<Policies, 'traffic'> {
  readonly statuses: readonly StatusPlan[];
}

export function readTrafficPolicies(reader: KubeReader): TrafficPolicies {
  const grants = readGrants(reader);
  const { at, statuses } = attachPolicies(reader, soundReader(reader).list('TrafficPolicy'), {
    // Its targets are of kinds that its form allows.
    refusal: (policy, target) =>
      trafficFault(policy) ??
      unfitting(policy, target.kind as Parameters<typeof unfitting>[1]) ??
      (policy.spec?.listener && sharedPorts(reader, policy.metadata.namespace ?? '', target)),
    beside: (policy) => resolvedRefs(reader, grants, policy),
  });
  return {
    statuses,
    traffic(targets) {
      const found = targets.flatMap((target) => at(target) ?? []);
      const mirrored = found.findLast(({ spec }) => spec?.mirrors !== undefined);
      return {
        cluster: Object.assign({}, ...found.map(clusterFields)) as ReturnType<typeof clusterFields>,
        route: Object.assign({}, ...found.map(routeFields)) as ReturnType<typeof routeFields>,
        // As any other field, it stands in place of another's as a whole: the API server fills in what is standard in it.
        listener: listenerFields(found.findLast(({ spec }) => spec?.listener !== undefined)),
        ...(mirrored && { mirrors: mirrorsOf(mirrored) }),
      };
    },
  };
}

function mirrorsOf({ metadata, spec }: TrafficPolicy): MirrorWish[] {
  const { namespace = '' } = metadata;
  const from = { group: GROUP, kind: 'TrafficPolicy', namespace };
  return (spec?.mirrors ?? []).map(({ backendRef, percent = 100 }) => ({
    backendRef: { namespace, ...backendRef },
    percent,
    from,
  }));
}

/** Whether the Services are there that get copies: only of policies that name some. */
function resolvedRefs(reader: KubeReader, grants: Grants, { metadata, spec }: TrafficPolicy): readonly Condition[] {
  const { namespace = '', generation } = metadata;
  const mirrors = spec?.mirrors ?? [];
  if (mirrors.length === 0) return [];
  const faults = mirrors.flatMap((mirror, index) => unresolved(reader, grants, namespace, mirror, index) ?? []);
  return [
    condition('ResolvedRefs', generation, joined(faults), {
      reason: 'ResolvedRefs',
      message: 'all that the policy refers to is there',
    }),
  ];
}

function unresolved(
  reader: KubeReader,
  grants: Grants,
  home: string,
  { backendRef }: PolicyMirror,
  index: number,
): Verdict | undefined {
  const { namespace = home, name, port } = backendRef;
  const where = `spec.mirrors[${index}]: `;
  const to = { group: '', kind: 'Service', namespace, name };
  if (!grants({ group: GROUP, kind: 'TrafficPolicy', namespace: home }, to)) {
    const message = `${where}no ReferenceGrant of ${namespace} lets TrafficPolicies of ${home} refer to Service ${namespace}/${name}`;
    return { reason: 'RefNotPermitted', message };
  }
  const service = reader.get('Service', namespace, name);
  if (service?.spec?.ports?.some((each) => each.port === port) === true) return undefined;
  const found = service === undefined ? 'does not exist' : `has no port ${port}`;
  return { reason: 'BackendNotFound', message: `${where}Service ${namespace}/${name} ${found}` };
}
