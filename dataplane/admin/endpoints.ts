/** Endpoints, as parts of their clusters: listed, added, shown, deleted. */
import type { Cluster, Endpoint } from '../../gen/l7mp/config/v1/types.ts';
import { withAssigned } from '../core/assigned.ts';
import type { ConfigDelta, ConfigSnapshot } from '../../config/snapshot.ts';
import { nameOf, readBody, unwrap } from './body.ts';
import { type Found, replaced, upsert } from './changes.ts';
import { accept, type Context, found, show, viewsOf } from './context.ts';
import { HttpError } from '../../common/http-error.ts';
import { notFound, ok } from './respond.ts';
import type { Route } from './router.ts';
import { endpointView, endpointViews } from './views.ts';

export function endpointRoutes(context: Context): Route[] {
  const { sink, parse } = context;
  return [
    {
      path: '/api/v1/clusters/{name}/endpoints',
      methods: {
        GET: (call) => {
          const [cluster = ''] = call.parameters;
          const view = viewsOf(context, call);
          const { endpoints } = withAssigned(found(view.objects.clusters.get(cluster)).value, view.objects);
          return show(call, endpointViews(endpoints, view.endpoints(cluster), cluster));
        },
        POST: async ({ request, parameters: [cluster = ''] }) => {
          const raw = unwrap(await readBody(parse, request), 'endpoint');
          await sink.apply(({ clusters }) => {
            const object = found(clusters.get(cluster));
            const endpoint = decodeEndpoint(context, object.value, raw);
            return withEndpoints(cluster, object, [...object.value.endpoints, endpoint]);
          });
          return ok();
        },
      },
    },
    // An endpoint's name is unique in its cluster, so this path is never ambiguous.
    {
      path: '/api/v1/clusters/{name}/endpoints/{endpoint}',
      methods: {
        GET: (call) => {
          const [cluster = '', name = ''] = call.parameters;
          const view = viewsOf(context, call);
          const { endpoints } = withAssigned(found(view.objects.clusters.get(cluster)).value, view.objects);
          const endpoint = found(endpoints.find((each) => each.name === name));
          return show(call, endpointView(endpoint, view.endpoints(cluster)));
        },
        DELETE: async ({ parameters: [cluster = '', name = ''] }) => {
          await sink.apply((snapshot) => {
            const object = found(snapshot.clusters.get(cluster));
            return withoutEndpoint(cluster, { ...object, value: withAssigned(object.value, snapshot) }, name);
          });
          return ok();
        },
      },
    },
    {
      path: '/api/v1/endpoints/{name}',
      methods: {
        GET: (call) => {
          const [name = ''] = call.parameters;
          const view = viewsOf(context, call);
          const [cluster, { value }] = holderOf(view.objects, name);
          const endpoint = found(value.endpoints.find((each) => each.name === name));
          return show(call, endpointView(endpoint, view.endpoints(cluster)));
        },
        DELETE: async ({ parameters: [name = ''] }) => {
          await sink.apply((objects) => withoutEndpoint(...holderOf(objects, name), name));
          return ok();
        },
      },
    },
  ];
}

/** The one cluster that has an endpoint of the name. */
function holderOf(snapshot: ConfigSnapshot, endpoint: string): [name: string, cluster: Found<'clusters'>] {
  const holders = [...snapshot.clusters]
    .map(([name, cluster]): [string, Found<'clusters'>] => [
      name,
      { ...cluster, value: withAssigned(cluster.value, snapshot) },
    ])
    .filter(([, { value }]) => value.endpoints.some(({ name }) => name === endpoint));
  const [holder, ...others] = holders;
  if (holder === undefined) throw notFound();
  if (others.length > 0) {
    const names = holders.map(([name]) => name).join(', ');
    throw new HttpError(
      400,
      `endpoint "${endpoint}" is in several clusters (${names}): ask /api/v1/clusters/{name}/endpoints/{endpoint}`,
    );
  }
  return holder;
}

function decodeEndpoint(context: Context, { name, spec, endpoints }: Cluster, raw: unknown): Endpoint {
  const given = nameOf(raw);
  const taken = new Set(endpoints.map((each) => each.name));
  if (given !== undefined && taken.has(given)) {
    throw new HttpError(400, `Cannot add endpoint: EndPoint "${given}" already defined`);
  }
  // What an endpoint needs depends on its cluster's spec: it is decoded as the only one of such a cluster.
  const plain = { name, spec: context.compactSpec('ClusterSpec', spec), endpoints: [raw] };
  const { value, faults } = context.decodeObject('Cluster', plain, !context.strict);
  const place = 'cluster.endpoints[0]';
  const own = faults.map((fault) =>
    fault.path.startsWith(place) ? { ...fault, path: `endpoint${fault.path.slice(place.length)}` } : fault,
  );
  const decoded = found(accept(context, { value, faults: own }).objects.clusters.get(name)?.value.endpoints[0]);
  return given === undefined ? { ...decoded, name: freeName(name, taken) } : decoded;
}

function freeName(cluster: string, taken: ReadonlySet<string>): string {
  for (let number = 1; ; number++) {
    const name = `${cluster}-EndPoint-${number}`;
    if (!taken.has(name)) return name;
  }
}

function withEndpoints(name: string, cluster: Found<'clusters'>, endpoints: readonly Endpoint[]): ConfigDelta {
  if (cluster.value.discovery) {
    throw new HttpError(400, `the endpoints of cluster "${name}" are managed by the control plane`);
  }
  return upsert(replaced('clusters', name, cluster, { ...cluster.value, endpoints }));
}

function withoutEndpoint(name: string, cluster: Found<'clusters'>, endpoint: string): ConfigDelta {
  const rest = cluster.value.endpoints.filter((each) => each.name !== endpoint);
  if (rest.length === cluster.value.endpoints.length) throw notFound();
  return withEndpoints(name, cluster, rest);
}
