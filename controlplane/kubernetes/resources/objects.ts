/** What is made of each custom resource. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import type { SessionListener, VirtualServiceListener } from '../../../gen/l7mp/kubernetes/v1/types.ts';
import type { Route, RuleList, Session, Target, VirtualService } from '../api/own-kinds.ts';
import { fullName } from '../api/order.ts';
import { targetsOf } from '../api/policies.ts';
import { clusterIn, pathsIn } from './clusters.ts';
import type { Context, Place } from './context.ts';
import { endpointsSelected } from './endpoints.ts';
import { specTowards } from './linked.ts';
import { addPart, type Making, newMaking } from './making.ts';
import { isJsonObject } from '../../../common/json.ts';
import type { Plain } from '../api/plain.ts';
import { flatSpec } from './specs.ts';
import { verdict } from './reasons.ts';
import { parseReference } from './references.ts';
import { routeIn, ruleListIn, rulesIn } from './rules.ts';
import { withSecrets } from './secrets.ts';
import { refused, selectionOf } from './selectors.ts';
import { GROUP } from '../api/names.ts';

export function makeVirtualService(context: Context, object: VirtualService): Making {
  const making = newMaking(object);
  select(context, making, object.spec?.selector);
  addListener(context, making, fullName(object), object.spec?.listener, 'spec.listener');
  return making;
}

export function makeSession(context: Context, object: Session): Making {
  const making = newMaking(object);
  select(context, making, object.spec?.selector);
  (object.spec?.listeners ?? []).forEach((listener, index) => {
    const name = `${fullName(object)}/${listener.name}`;
    addListener(context, making, name, listener, `spec.listeners[${index}]`);
  });
  return making;
}

export function makeTarget(context: Context, object: Target): Making {
  const making = newMaking(object);
  const { selector, cluster, linkedVirtualService: linked } = object.spec ?? {};
  if (selector !== undefined) select(context, making, selector);
  const place = placeIn(context, making);
  const name = fullName(object);
  const plain = (cluster ?? {}) as unknown as Plain;
  const spec =
    linked === undefined ? clusterIn(place, name, plain, 'spec.cluster') : linkedCluster(place, name, linked);
  if (spec !== undefined)
    addPart(making, 'Cluster', name, spec, place.uses, pathsIn('ClusterSpec', plain, 'spec.cluster'));
  return making;
}

export function makeRoute(context: Context, object: Route): Making {
  const making = newMaking(object);
  const place = placeIn(context, making);
  const spec = routeIn(place, (object.spec ?? {}) as unknown as Plain, 'spec');
  addPart(making, 'Route', fullName(object), spec, place.uses, pathsIn('ClusterSpec', {}, 'spec'));
  return making;
}

export function makeRuleList(context: Context, object: RuleList): Making {
  const making = newMaking(object);
  const place = placeIn(context, making);
  const rules = rulesIn(place, object.spec?.rules ?? [], 'spec.rules');
  addPart(making, 'RuleList', fullName(object), { rules }, place.uses, pathsIn('ClusterSpec', {}, 'spec'));
  return making;
}

function placeIn(context: Context, making: Making): Place {
  return { context, making, uses: new Set() };
}

/** Namespaces that refuse are left out; where none is left, there is nobody to have it. */
function select(context: Context, making: Making, selector: Parameters<typeof selectionOf>[2]): void {
  making.selection = selectionOf(context, making.object, selector);
  const { faults, selector: selected } = making.selection;
  (selected === undefined ? making.faults : making.unresolved).push(...faults);
}

function addListener(
  context: Context,
  making: Making,
  name: string,
  raw: VirtualServiceListener | SessionListener | undefined,
  path: string,
): void {
  // They take the place of what the listener says itself.
  const targets = targetsOf(making.object, undefined);
  const [offload, telemetry] = [context.policies.offload(targets), context.policies.telemetry(targets)];
  const place = placeIn(context, making);
  const { spec, rules, options } = raw ?? {};
  const listener = {
    ...(isJsonObject(spec) && { spec: withSecrets(place, flatSpec('ListenerSpec', spec), `${path}.spec`) }),
    ...(rules !== undefined && { rules: ruleListIn(place, rules, `${path}.rules`) }),
    ...((options ?? offload ?? telemetry) !== undefined && {
      options: {
        ...options,
        ...(offload && { offload: offload as Json }),
        ...(telemetry && { telemetry: telemetry as Json }),
      },
    }),
  };
  addPart(making, 'Listener', name, listener, place.uses, pathsIn('ListenerSpec', raw ?? {}, path));
}

function linkedCluster({ context, making, uses }: Place, name: string, text: string): Plain | undefined {
  const { reader, grants } = context;
  const path = 'spec.linkedVirtualService';
  const reference = parseReference(text, making.home);
  if (reference === undefined || reference.port !== undefined) {
    making.faults.push(verdict('Invalid', `${path}: expected the name of a VirtualService, found "${text}"`));
    return undefined;
  }
  const from = { group: GROUP, kind: making.object.kind, namespace: making.home };
  if (!grants(from, { group: GROUP, kind: 'VirtualService', ...reference })) {
    making.faults.push(refused(reader, `${path}: VirtualService ${text}`, reference.namespace, from));
    return undefined;
  }
  const service = reader.get('VirtualService', reference.namespace, reference.name);
  if (service === undefined) {
    const message = `${path}: there is no VirtualService ${reference.namespace}/${reference.name}`;
    making.faults.push(verdict('RefNotFound', message));
    return undefined;
  }
  const { spec, fault } = specTowards(service);
  if (spec === undefined) {
    making.faults.push({ ...fault, message: `${path}: ${fault.message}` });
    return undefined;
  }
  const endpoints = endpointsSelected(context, selectionOf(context, service, service.spec?.selector));
  addPart(making, 'ClusterLoadAssignment', name, { endpoints }, new Set(), (field) => `${path}: ${field}`);
  uses.add(`ClusterLoadAssignment/${name}`);
  return { spec, loadbalancer: { policy: 'RoundRobin' }, discovery: { service: name } };
}
