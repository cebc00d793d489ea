/** A proxy that serves what a Gateway was translated to: a control plane would hand it the same objects. */
import type { KubeObject } from '../../controlplane/kubernetes/api/object.ts';
import { translateGateways } from '../../controlplane/kubernetes/gateway/translate.ts';
import { translatePolicies } from '../../controlplane/kubernetes/policies/translate.ts';
import type { Json } from '../../gen/l7mp/config/v1/types.ts';
import { kubeReader } from './kube-reader.ts';
import { startProxy, type TestProxy } from './proxy.ts';

type Spec = Readonly<Record<string, Json>>;

/** `backends` are the ports of Services' endpoints on 127.0.0.1, by their load assignments' names. Listeners get any port. */
export async function serveGateways(
  objects: readonly KubeObject[],
  backends: Readonly<Record<string, number>>,
): Promise<TestProxy> {
  const reader = kubeReader(objects);
  const translated = translateGateways(reader, { policies: translatePolicies(reader) });
  const made = translated.objects.map(({ content }) => content);
  const of = (kind: string): Spec[] =>
    made.filter(({ key }) => key.kind === kind).map(({ key, spec }) => ({ name: key.name, ...spec }));
  const secrets = new Map(of('Secret').map((secret) => [`secret:${secret['name'] as string}`, secret]));
  const local = of('Cluster').map(({ discovery, ...rest }) => {
    const port = backends[(discovery as { service: string }).service];
    return { ...rest, endpoints: port === undefined ? [] : [`127.0.0.1:${port}`] };
  });
  return startProxy({
    listeners: of('Listener').map((listener) => ({
      ...listener,
      spec: { ...(inline(listener['spec'], secrets) as object), port: 0, address: '127.0.0.1' },
    })),
    clusters: local.map((cluster) => inline(cluster as unknown as Json, secrets)),
    rulelists: of('RuleList'),
    rules: of('Rule'),
    routes: of('Route'),
  });
}

/** Files have no secrets of a control plane: their texts stand in place of their names. */
function inline(value: Json | undefined, secrets: ReadonlyMap<string, Spec>): Json {
  if (Array.isArray(value)) return value.map((item) => inline(item, secrets));
  if (typeof value !== 'object' || value === null) return value ?? null;
  const entries = Object.entries(value as Record<string, Json>).map(([key, item]): [string, Json] => {
    const secret = typeof item === 'string' ? secrets.get(item) : undefined;
    return [key, secret === undefined ? inline(item, secrets) : (secret[key] ?? null)];
  });
  return Object.fromEntries(entries);
}
