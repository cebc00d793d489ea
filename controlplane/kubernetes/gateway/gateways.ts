/** The Gateways of our classes, with the ListenerSets that are attached to them. */
import type { Gateway, GatewayClass, ListenerSet } from '../api/gateway-kinds.ts';
import type { KubeReader } from '../api/reader.ts';
import { CONTROLLER_NAME } from '../api/names.ts';
import { addressFaults } from './addresses.ts';
import { markConflicts } from './conflicts.ts';
import type { Grants } from '../api/grants.ts';
import { GATEWAY_GROUP } from './group.ts';
import { readKeyPair, readListener, readValidation } from './listeners.ts';
import { allowsNamespace } from './namespaces.ts';
import { fullName, groupBy, sortByAge, sortByName } from '../api/order.ts';
import { classParameters, gatewayParameters, type ReadParameters } from './parameters.ts';
import type { ClientValidation, GatewayState, ListenerSetState } from './state.ts';
import { joined, type Verdict } from '../api/verdict.ts';

export interface ClassState {
  readonly gatewayClass: GatewayClass;
  readonly parameters: ReadParameters;
}

export function readClasses(reader: KubeReader): ClassState[] {
  const ours = [...reader.list('GatewayClass')].filter(({ spec }) => spec?.controllerName === CONTROLLER_NAME);
  return sortByName(ours).map((gatewayClass) => ({ gatewayClass, parameters: classParameters(reader, gatewayClass) }));
}

/** The most characters of a label's value. */
const MAX_LABEL = 63;

/** By name. */
export function readGateways(reader: KubeReader, grants: Grants, classes: readonly ClassState[]): GatewayState[] {
  const byClass = new Map(classes.map((state) => [state.gatewayClass.metadata.name, state]));
  const sets = groupBy(sortByAge(reader.list('ListenerSet')), parentOf);
  return sortByName(reader.list('Gateway')).flatMap((gateway) => {
    const of = byClass.get(gateway.spec?.gatewayClassName ?? '');
    return of === undefined ? [] : [readGateway(reader, grants, gateway, of, sets.get(fullName(gateway)) ?? [])];
  });
}

/** The Gateway that a ListenerSet is for, as in `default/web`; empty where it is for something else. */
function parentOf({ metadata, spec }: ListenerSet): string {
  const {
    group = GATEWAY_GROUP,
    kind = 'Gateway',
    namespace = metadata.namespace ?? '',
    name = '',
  } = spec?.parentRef ?? {};
  return group === GATEWAY_GROUP && kind === 'Gateway' ? `${namespace}/${name}` : '';
}

function readGateway(
  reader: KubeReader,
  grants: Grants,
  gateway: Gateway,
  { parameters: ofClass }: ClassState,
  sets: readonly ListenerSet[],
): GatewayState {
  const { spec } = gateway;
  const own = gatewayParameters(reader, gateway);
  const refused: Verdict[] = [...addressFaults(gateway)];
  for (const { fault } of [ofClass, own]) if (fault !== undefined) refused.push(fault);
  if (spec?.defaultScope !== undefined && spec.defaultScope !== 'None') {
    refused.push({ reason: 'Invalid', message: `defaultScope: expected None, found ${spec.defaultScope}` });
  }
  // Proxies are found by a label that has the name.
  if (gateway.metadata.name.length > MAX_LABEL) {
    const message = `metadata.name: expected at most ${MAX_LABEL} characters, found ${gateway.metadata.name.length}`;
    refused.push({ reason: 'Invalid', message });
  }
  const refusal = joined(refused);
  const validation = validations(reader, grants, gateway);
  const listeners = (spec?.listeners ?? []).map((one) =>
    readListener(reader, grants, gateway, one, validation(one.port)),
  );
  const attached = sets.map((set): ListenerSetState => {
    const why = refusalOf(reader, gateway, set, refusal);
    const entries = why === undefined ? (set.spec?.listeners ?? []) : [];
    return {
      set,
      ...(why && { refused: why }),
      listeners: entries.map((entry) => readListener(reader, grants, set, entry, validation(entry.port))),
    };
  });
  markConflicts([listeners, ...attached.map((set) => set.listeners)]);
  const ref = spec?.tls?.backend?.clientCertificateRef;
  const shown = ref && readKeyPair(reader, grants, gateway, ref, 'InvalidClientCertificateRef');
  return {
    gateway,
    parameters: [ofClass.parameters, own.parameters].filter((parameters) => parameters !== undefined),
    ...(refusal && { refused: refusal }),
    ...(shown && ('reason' in shown ? { unresolved: shown } : { clientCertificate: shown })),
    listeners,
    sets: attached,
  };
}

/** What is asked of clients, by port: the port's own, or else the default. */
function validations(
  reader: KubeReader,
  grants: Grants,
  gateway: Gateway,
): (port: number) => ClientValidation | undefined {
  const frontend = gateway.spec?.tls?.frontend;
  const read = new Map<number | undefined, ClientValidation | undefined>();
  return (port) => {
    const own = frontend?.perPort?.find((entry) => entry.port === port);
    const key = own?.port;
    if (!read.has(key)) {
      const found = own === undefined ? frontend?.default?.validation : own.tls.validation;
      read.set(key, found && readValidation(reader, grants, gateway, found));
    }
    return read.get(key);
  };
}

function refusalOf(
  reader: KubeReader,
  gateway: Gateway,
  { metadata }: ListenerSet,
  refused: Verdict | undefined,
): Verdict | undefined {
  const allowed = gateway.spec?.allowedListeners?.namespaces ?? {};
  const namespace = metadata.namespace ?? '';
  if (!allowsNamespace(reader, allowed, 'None', gateway.metadata.namespace ?? '', namespace)) {
    const message = `Gateway ${fullName(gateway)} takes no ListenerSets of namespace ${namespace} (allowedListeners)`;
    return { reason: 'NotAllowed', message };
  }
  if (refused === undefined) return undefined;
  return { reason: 'ParentNotAccepted', message: `Gateway ${fullName(gateway)} is not accepted` };
}
