/** Statuses of GatewayClasses, Gateways and ListenerSets. */
import type { KubeReader, StatusPlan } from '../api/reader.ts';
import type { Condition } from '../api/object.ts';
import { refOf } from '../api/reader.ts';
import { addressesOf, gatewayService, unreachable, unusable } from './addresses.ts';
import { SUPPORTED_FEATURES } from './features.ts';
import type { ClassState } from './gateways.ts';
import { listenerStatus } from './listener-status.ts';
import type { Output } from './output.ts';
import { programmed, serving } from './progress.ts';
import { allListeners, type GatewayState, isAccepted, isServed, type ListenerSetState } from './state.ts';
import { condition, stated, type Verdict } from '../api/verdict.ts';

/** The version of Gateway API whose kinds are known here, as its CRDs are annotated. */
const KNOWN_VERSION = /^v1\.[0-6]\./u;

/** `bundleVersion` is what the CRDs say of themselves; absent: nobody has looked. */
export function classStatus({ gatewayClass, parameters }: ClassState, bundleVersion: string | undefined): StatusPlan {
  const { generation } = gatewayClass.metadata;
  const conditions = [
    condition('Accepted', generation, parameters.fault, { reason: 'Accepted', message: 'the class is ours' }),
  ];
  if (bundleVersion !== undefined) {
    const message = `expected CRDs of v1.0 to v1.6, found ${bundleVersion}`;
    const fault = KNOWN_VERSION.test(bundleVersion) ? undefined : { reason: 'UnsupportedVersion', message };
    conditions.push(
      condition('SupportedVersion', generation, fault, {
        reason: 'SupportedVersion',
        message: `CRDs of ${bundleVersion}`,
      }),
    );
  }
  const supportedFeatures = SUPPORTED_FEATURES.map((name) => ({ name }));
  return { ref: refOf(gatewayClass), objects: [], render: () => ({ conditions, supportedFeatures }) };
}

/** How it is with what runs a Gateway. */
interface Running {
  /** Why what it needs could not be made. */
  readonly fault: string | undefined;
  /** Why its pods don't come or don't start. */
  readonly troubles: string | undefined;
}

export function gatewayStatus(
  reader: KubeReader,
  state: GatewayState,
  output: Output,
  { fault, troubles }: Running,
): StatusPlan {
  const { gateway, listeners, sets } = state;
  const { generation } = gateway.metadata;
  const all = allListeners(state);
  const addresses = addressesOf(gatewayService(reader, gateway));
  const refused = refusalOf(state);
  const unserved =
    parentOf(refused) ??
    (all.some(isServed) ? undefined : NOTHING_SERVED) ??
    unusable(gateway) ??
    (fault === undefined ? undefined : { reason: 'NoResources', message: fault });
  const unresolved = listeners.filter((listener) => listener.unresolved !== undefined).map(({ spec }) => spec.name);
  const lacking =
    state.unresolved ??
    (unresolved.length === 0
      ? undefined
      : {
          reason: 'ListenersNotResolved',
          message: `listeners ${unresolved.join(', ')} have references that lead nowhere`,
        });
  const insecure = all.filter(({ validation }) => validation?.insecure === true);
  return {
    ref: refOf(gateway),
    objects: output.ids(),
    render: (progress) => ({
      addresses,
      attachedListenerSets: sets.filter((set) => setRefusal(set) === undefined).length,
      conditions: [
        condition('Accepted', generation, refused, acceptance(listeners)),
        withTroubles(programmed(progress, generation, unserved ?? unreachable(gateway, addresses)), troubles),
        condition('ResolvedRefs', generation, lacking, {
          reason: 'ResolvedRefs',
          message: 'all that the Gateway refers to is there',
        }),
        serving(progress, generation),
        ...(insecure.length === 0
          ? []
          : [
              stated('InsecureFrontendValidationMode', 'True', generation, {
                reason: 'ConfigurationChanged',
                message: `clients of listeners ${insecure.map(({ spec }) => spec.name).join(', ')} need no valid certificate`,
              }),
            ]),
      ],
      listeners: listeners.map((listener) => listenerStatus(listener, all, parentOf(refused), progress)),
    }),
  };
}

/** Also where old pods serve: those of a change don't come. */
function withTroubles(condition: Condition, troubles: string | undefined): Condition {
  return troubles === undefined ? condition : { ...condition, message: `${condition.message}; pods: ${troubles}` };
}

const NOTHING_SERVED: Verdict = { reason: 'Invalid', message: 'no listener can be served' };

/** Why a Gateway is not accepted: for a reason of its own, or as none of its listeners is. */
export function refusalOf({ refused, listeners }: GatewayState): Verdict | undefined {
  if (refused !== undefined || listeners.length === 0 || listeners.some(isAccepted)) return refused;
  const faults = listeners.map((one) => `${one.spec.name}: ${(one.conflict ?? one.refused)?.message ?? ''}`);
  return { reason: 'ListenersNotValid', message: faults.join('; ') };
}

function acceptance(listeners: GatewayState['listeners']): Verdict {
  const wrong = listeners.filter((listener) => !isAccepted(listener)).map(({ spec }) => spec.name);
  if (wrong.length === 0) return { reason: 'Accepted', message: 'the Gateway is valid' };
  return { reason: 'ListenersNotValid', message: `listeners ${wrong.join(', ')} are not accepted` };
}

function parentOf(refused: Verdict | undefined): Verdict | undefined {
  return refused && { reason: 'Invalid', message: `the Gateway is not accepted: ${refused.message}` };
}

export function listenerSetStatus(state: GatewayState, set: ListenerSetState, output: Output): StatusPlan {
  const { generation } = set.set.metadata;
  const refused = setRefusal(set);
  const wrong = set.listeners.filter((listener) => !isServed(listener)).map(({ spec }) => spec.name);
  const all = allListeners(state);
  return {
    ref: refOf(set.set),
    objects: output.ids(),
    render: (progress) => ({
      conditions: [
        condition(
          'Accepted',
          generation,
          refused,
          wrong.length === 0
            ? { reason: 'Accepted', message: 'the ListenerSet is valid' }
            : { reason: 'ListenersNotValid', message: `listeners ${wrong.join(', ')} can not be served` },
        ),
        programmed(progress, generation, refused),
      ],
      listeners: set.listeners.map((listener) => listenerStatus(listener, all, undefined, progress)),
    }),
  };
}

/** Why a ListenerSet counts for nothing: it may not be there, or none of its listeners can be served. */
function setRefusal({ refused, listeners }: ListenerSetState): Verdict | undefined {
  if (refused !== undefined || listeners.some(isServed)) return refused;
  return { reason: 'ListenersNotValid', message: 'no listener of the ListenerSet can be served' };
}
