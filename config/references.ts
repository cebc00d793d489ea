/** References that name nothing: no fault, since they are bound when a session starts, but worth a warning. */
import type { ConfigSnapshot } from './snapshot.ts';
import type { Fault } from '../common/errors.ts';

/** One for each reference to an object that isn't in the configuration. */
export function danglingReferences({ listeners, clusters, rulelists, rules, routes }: ConfigSnapshot): Fault[] {
  const warnings: Fault[] = [];
  const want = (path: string, kind: string, names: ReadonlyMap<string, unknown>, name: string | undefined): void => {
    if (name === undefined || names.has(name)) return;
    warnings.push({ path, expected: `the name of a ${kind} that exists`, found: `"${name}"` });
  };
  for (const [name, { value }] of listeners) want(`listeners.${name}.rules`, 'rule list', rulelists, value.rules);
  for (const [name, { value }] of rulelists) {
    value.rules.forEach((rule, index) => want(`rulelists.${name}.rules[${index}]`, 'rule', rules, rule));
  }
  for (const [name, { value }] of rules) {
    want(`rules.${name}.action.route`, 'route', routes, value.action.route);
    want(`rules.${name}.action.apply`, 'rule list', rulelists, value.action.apply);
  }
  for (const [name, { value }] of routes) {
    want(`routes.${name}.destination`, 'cluster', clusters, value.destination);
    value.destinations.forEach(({ cluster }, index) =>
      want(`routes.${name}.destinations[${index}]`, 'cluster', clusters, cluster),
    );
    value.ingress.forEach((cluster, index) => want(`routes.${name}.ingress[${index}]`, 'cluster', clusters, cluster));
    value.egress.forEach((cluster, index) => want(`routes.${name}.egress[${index}]`, 'cluster', clusters, cluster));
    value.mirrors.forEach(({ cluster }, index) =>
      want(`routes.${name}.mirrors[${index}]`, 'cluster', clusters, cluster),
    );
  }
  return warnings;
}
