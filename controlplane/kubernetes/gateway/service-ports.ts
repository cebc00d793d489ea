/**
 * What sidecars get of routes whose parents are Services: for each port of such a Service a listener that takes what programs send to its
 * addresses there.
 */
import type { LabelRequirement, Selector } from '../../../gen/messages.ts';
import { formatAddress } from '../../../common/format-address.ts';
import { idOf } from '../../model/object.ts';
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import type { AnyRoute } from '../api/gateway-kinds.ts';
import { CAPTURED_LABEL, CAPTURES_OUTBOUND, PROXY_LABELS } from '../api/names.ts';
import { compare } from '../api/order.ts';
import type { Policies } from '../api/policies.ts';
import { clusterAddresses } from './addresses.ts';
import type { Backends } from './backends.ts';
import type { Making, RankedRule } from './making.ts';
import { addHttpList } from './http-rules.ts';
import { createOutput, type Output } from './output.ts';
import type { Scope } from './policy-scopes.ts';
import { routesOf, type ServiceParents, type ServicePortState } from './service-parents.ts';
import { streamAction, type StreamRoute } from './stream-rules.ts';
import type { Usage } from './usage.ts';

export interface MeshOutput {
  /** Those of producers, then those of each namespace with consumers. */
  readonly outputs: readonly Output[];
  /** Ids of the listeners that serve a route. */
  listenersOf(route: AnyRoute): string[];
}

interface MeshMaking {
  readonly backends: Backends;
  readonly usage: Usage;
  readonly policies: Policies;
}

/** Policies of Gateways say nothing of sidecars. */
const MESH: Scope = { targets: [], parts: [] };

interface Clients {
  readonly output: Output;
  readonly made: Map<string, readonly RankedRule[]>;
}

export function addServicePorts(parents: ServiceParents, making: MeshMaking): MeshOutput {
  const consumers = [...new Set(parents.ports.flatMap(({ consumer }) => consumer ?? []))].sort(compare);
  const byConsumer = new Map<string | undefined, Clients>(
    [undefined, ...consumers].map((consumer) => {
      const prefix = consumer === undefined ? ['mesh', 'producer'] : ['mesh', 'consumer', consumer];
      const only = consumer === undefined ? [] : [namespaces('In', [consumer])];
      return [consumer, { output: createOutput(prefix, sidecars(only)), made: new Map() }];
    }),
  );
  const others = overriding(parents.ports);
  const listeners = new Map<ServicePortState, string>();
  for (const state of parents.ports) {
    const clients = byConsumer.get(state.consumer);
    if (clients === undefined) continue;
    const excluded = state.consumer === undefined ? (others.get(keyOf(state)) ?? []) : [];
    listeners.set(state, addListener({ ...making, ...clients, owner: state.service, scope: MESH }, state, excluded));
  }
  return {
    outputs: Array.from(byConsumer.values(), ({ output }) => output),
    listenersOf: (route) =>
      parents.portsOf(route).map((state) => idOf({ kind: 'Listener', name: listeners.get(state) ?? '' })),
  };
}

/** By port, the namespaces whose clients have routes of their own. */
function overriding(ports: readonly ServicePortState[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const state of ports) {
    const { consumer } = state;
    if (consumer !== undefined) found.set(keyOf(state), [...(found.get(keyOf(state)) ?? []), consumer].sort(compare));
  }
  return found;
}

function keyOf({ service, port }: ServicePortState): string {
  return partsOf(service, port).join('/');
}

function partsOf(
  { metadata }: ServicePortState['service'],
  { port, protocol = 'TCP' }: ServicePortState['port'],
): string[] {
  return [metadata.namespace ?? '', metadata.name, String(port), protocol.toLowerCase()];
}

function addListener(making: Making, state: ServicePortState, excluded: readonly string[]): string {
  const { service, port } = state;
  const parts = partsOf(service, port);
  const { protocol, rules } = served(making, parts, routesOf(state));
  const spec = {
    ...{ protocol, address: '::', port: 0, captured: 'outbound' },
    captured_destinations: clusterAddresses(service).map((address) => formatAddress(address, port.port)),
  };
  const selector = excluded.length === 0 ? undefined : sidecars([namespaces('NotIn', excluded)]);
  return making.output.add('Listener', service, parts, () => ({ spec, rules }), selector);
}

/** What a port speaks by the routes that serve it, which are of one kind, and its rules. Of several for streams the oldest has it. */
function served(
  making: Making,
  parts: readonly string[],
  routes: readonly AnyRoute[],
): { protocol: string; rules: Json[] } {
  const [oldest] = routes;
  switch (oldest?.kind) {
    case 'HTTPRoute':
    case 'GRPCRoute': {
      const list = addHttpList(making, parts, routes);
      return { protocol: 'HTTP', rules: [{ action: { apply: list, respond: { status: 404 } } }] };
    }
    default: {
      const route = oldest as StreamRoute;
      const action = streamAction(making, route, route.kind === 'TLSRoute');
      return { protocol: route.kind === 'UDPRoute' ? 'UDP' : 'TCP', rules: [{ action }] };
    }
  }
}

/** Proxies beside programs whose traffic they have. */
function sidecars(more: readonly LabelRequirement[]): Selector {
  const captures = { key: CAPTURED_LABEL, operator: 'In', values: [...CAPTURES_OUTBOUND] };
  return { match_labels: {}, match_expressions: [captures, ...more], match_ids: [] };
}

function namespaces(operator: 'In' | 'NotIn', values: readonly string[]): LabelRequirement {
  return { key: PROXY_LABELS.namespace, operator, values: [...values] };
}
