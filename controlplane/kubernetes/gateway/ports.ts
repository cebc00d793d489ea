/**
 * The listeners of a Gateway's proxies: one for each port, whose rules lead by hostname to those of routes.
 *
 *     Listener PORT ─> RuleList PORT ─> RuleList of a listener's hostname ─> RuleList of a route's hostname ─> Rule, …
 *
 * A request is the business of the one listener with the most specific hostname. Of that listener's routes, those with the
 * most specific hostname are asked first, and where none of their rules matches, those of the next.
 */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import type { Making } from './making.ts';
import { ANY, bySpecificity } from './hostnames.ts';
import { hostRules, type HostField, HTTP_HOST, misdirected, SERVER_NAME } from './host-rules.ts';
import { groupBy } from '../api/order.ts';
import { listenerScope } from './policy-scopes.ts';
import { targetsOf } from '../api/policies.ts';
import { tlsServer } from './port-tls.ts';
import { addRuleList } from './rule-lists.ts';
import { isServed, type ListenerState } from './state.ts';
import { streamAction } from './stream-rules.ts';

/** Adds all that the served listeners of a Gateway come to. */
export function addPorts(making: Making, listeners: readonly ListenerState[], ipv6: boolean): void {
  for (const [port, served] of groupBy(listeners.filter(isServed), portName)) addPort(making, port, served, ipv6);
}

/** As in `80/tcp`. */
function portName({ spec, protocol }: ListenerState): string {
  return `${spec.port}/${protocol?.transport ?? ''}`;
}

function addPort(making: Making, port: string, listeners: readonly ListenerState[], ipv6: boolean): void {
  const [first] = listeners;
  if (first?.protocol === undefined) return;
  const { output, owner, policies, scope } = making;
  const { name: protocol, byHostname } = first.protocol;
  // Where listeners share a port, policies say the same of all of them.
  const targets = [...scope.targets, ...targetsOf(first.owner, first.spec.name)];
  const [offload, telemetry] = [policies.offload(targets), policies.telemetry(targets)];
  const options = {
    ...policies.traffic(targets).listener,
    ...(offload && { offload }),
    ...(telemetry && { telemetry }),
  };
  const rules = byHostname ? hostnameRules(making, port, listeners) : streamRules(making, first);
  const list = addRuleList(making, [port], rules);
  const tls = tlsServer(making, listeners);
  output.add('Listener', owner, [port], () => ({
    spec: {
      protocol: first.passthrough ? 'TCP' : protocol,
      port: first.spec.port,
      ...(ipv6 && { address: '::' }),
      ...(tls && { tls }),
      ...(first.passthrough && { tls_inspector: true }),
    },
    rules: list,
    ...(Object.keys(options).length > 0 && { options }),
  }));
}

/** The rules of a port whose listeners are told apart by hostname. */
function hostnameRules(making: Making, port: string, listeners: readonly ListenerState[]): Json[] {
  const field: HostField = listeners[0]?.protocol?.name === 'HTTP' ? HTTP_HOST : SERVER_NAME;
  const secure = listeners[0]?.spec.protocol === 'HTTPS';
  const names = listeners.map(({ hostname }) => hostname);
  return listeners
    .toSorted((one, other) => bySpecificity(one.hostname, other.hostname))
    .flatMap((listener): Json[] => {
      const { hostname } = listener;
      const rules = hostRules(making, [port, hostname], listener, field);
      if (secure) rules.unshift(...misdirected(hostname, names));
      const list = addRuleList(making, [port, hostname], rules);
      // What this listener has no route for is not the business of another.
      const action = { apply: list, respond: { status: 404 } };
      return [hostname === ANY ? { action } : { match: field.match(hostname), action }];
    });
}

/** The rules of a port that one listener has for itself: of several routes the oldest has it. */
function streamRules(making: Making, listener: ListenerState): Json[] {
  const [oldest] = listener.attached;
  const scope = listenerScope(making, listener);
  return oldest === undefined ? [] : [{ action: streamAction({ ...making, scope }, oldest.route, false) }];
}
