/** The REST API: l7mp's, under /api/v1, and beside it /ready, /healthz and /metrics. A pure request handler. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Endpoint, RuleList } from '../../gen/l7mp/config/v1/types.ts';
import { FaultsError, ProxyError } from '../core/errors.ts';
import type { Plain } from '../core/address.ts';
import type { Request, RequestHandler, Response } from '../core/protocol.ts';
import { type Collection, KINDS, removal, replaced, upsert } from './changes.ts';
import { openapi } from './openapi.ts';
import { failure, HttpError, json, notFound, ok, text } from './respond.ts';
import type { AdminDependencies, Checked } from './types.ts';
import {
  clusterView,
  endpointView,
  endpointViews,
  listenerView,
  routeView,
  ruleListView,
  ruleView,
  sessionView,
  type ViewContext,
} from './views.ts';

/** What one request is answered from. */
interface Call {
  readonly request: Request;
  /** The parts of the path that stand for `{…}`, decoded. */
  readonly parameters: readonly string[];
  readonly view: ViewContext;
  readonly indent: number | undefined;
}

type Handler = (call: Call) => Response | Promise<Response>;

/** A path with `{…}` where anything stands, and what answers each method. */
interface RouteRow {
  readonly path: string;
  readonly methods: Readonly<Record<string, Handler>>;
}

export interface AdminApi {
  readonly handle: RequestHandler;
  /** Every path and method that is served: the OpenAPI document is held against it. */
  readonly operations: readonly { readonly path: string; readonly method: string }[];
}

export function createAdminApi(dependencies: AdminDependencies): AdminApi {
  const rows = routes(dependencies);
  const compiled = rows.map(({ path, methods }) => ({ segments: path.split('/').slice(1), methods }));
  const handle: RequestHandler = async (request) => {
    try {
      const { pathname, searchParams } = new URL(request.url, 'http://l7mp');
      const open = pathname === '/ready' || pathname === '/healthz';
      if (!open) authenticate(request, dependencies.admin.api.token);
      const segments = pathname.replace(/\/$/u, '').split('/').slice(1);
      const method = request.method === 'HEAD' ? 'GET' : request.method;
      let known = false;
      for (const row of compiled) {
        const parameters = matchPath(row.segments, segments);
        if (parameters === undefined) continue;
        known = true;
        const handler = row.methods[method];
        if (handler === undefined) continue;
        const view = viewContext(dependencies, searchParams.get('recursive') === 'true');
        return await handler({ request, parameters, view, indent: indentOf(searchParams.get('format')) });
      }
      throw new HttpError(known ? 405 : 404, known ? `${method} is not served here` : 'Unknown API operation');
    } catch (error) {
      return failure(HttpError.from(error));
    }
  };
  const operations = rows.flatMap(({ path, methods }) => Object.keys(methods).map((method) => ({ path, method })));
  return { handle, operations };
}

function routes(dependencies: AdminDependencies): readonly RouteRow[] {
  const { sink, sessions, admin } = dependencies;
  return [
    { path: '/', methods: { GET: () => text(200, INDEX) } },
    { path: '/healthz', methods: { GET: () => text(200, 'ok\n') } },
    {
      path: '/ready',
      methods: { GET: () => (dependencies.ready() ? text(200, 'ready\n') : text(503, 'not ready\n')) },
    },
    {
      path: '/metrics',
      methods: { GET: async () => text(200, await dependencies.metrics(), 'text/plain; version=0.0.4; charset=utf-8') },
    },
    { path: '/api/v1/openapi.json', methods: { GET: ({ indent }) => json(200, openapi, indent) } },
    {
      path: '/api/v1/config',
      methods: {
        GET: ({ indent }) => json(200, dependencies.plain(sink.snapshot), indent),
        POST: async ({ request }) => {
          const body = await readBody(dependencies, request);
          const raw = body['config'] ?? body;
          const config = accept(dependencies.decodeConfig(raw, !admin.strict), admin.strict);
          await sink.replace({ ...config, admin: sink.snapshot.admin });
          return ok();
        },
      },
    },
    {
      path: '/api/v1/admin',
      methods: {
        GET: ({ indent }) => json(200, dependencies.plain(sink.snapshot)['admin'], indent),
        POST: async ({ request }) => {
          const body = await readBody(dependencies, request);
          const { admin: next } = accept(
            dependencies.decodeConfig({ admin: body['admin'] ?? body }, !admin.strict),
            admin.strict,
          );
          dependencies.setLogLevel(next.log_level);
          return ok();
        },
      },
    },
    ...(Object.keys(KINDS) as Collection[]).flatMap((collection) => objectRoutes(dependencies, collection)),
    ...endpointRoutes(dependencies),
    ...positionRoutes(dependencies),
    {
      path: '/api/v1/sessions',
      methods: {
        GET: ({ view, indent }) =>
          json(
            200,
            [...sessions.list()].map((each) => sessionView(view, each)),
            indent,
          ),
      },
    },
    {
      path: '/api/v1/sessions/{name}',
      methods: {
        GET: ({ parameters: [name = ''], view, indent }) =>
          json(200, sessionView(view, found(sessions.get(name))), indent),
        DELETE: ({ parameters: [name = ''] }) => {
          found(sessions.get(name)).destroy(new ProxyError('DELETED', 'deleted by the REST API'));
          return ok();
        },
      },
    },
  ];
}

/** Listing, adding, showing and deleting objects of a kind. */
function objectRoutes(dependencies: AdminDependencies, collection: Collection): readonly RouteRow[] {
  const { sink, admin } = dependencies;
  const { kind, body: key, label } = KINDS[collection];
  const show = (view: ViewContext, name: string): Plain | undefined => {
    const { listeners, clusters, rulelists, rules, routes: all } = view.objects;
    const maybe = <T>(object: { readonly value: T } | undefined, make: (context: ViewContext, value: T) => Plain) =>
      object && make(view, object.value);
    switch (collection) {
      case 'listeners':
        return maybe(listeners.get(name), listenerView);
      case 'clusters':
        return maybe(clusters.get(name), clusterView);
      case 'rulelists':
        return maybe(rulelists.get(name), ruleListView);
      case 'rules':
        return maybe(rules.get(name), ruleView);
      case 'routes':
        return maybe(all.get(name), routeView);
    }
  };
  return [
    {
      path: `/api/v1/${collection}`,
      methods: {
        GET: ({ view, indent }) =>
          json(
            200,
            [...view.objects[collection].keys()].map((name) => show(view, name)),
            indent,
          ),
        POST: async ({ request }) => {
          const body = await readBody(dependencies, request);
          const raw = body[key] ?? body;
          const given = (raw as Plain)['name'];
          if (typeof given === 'string' && sink.snapshot[collection].has(given)) {
            throw new HttpError(400, `${kind} "${given}" already defined`);
          }
          await sink.apply(upsert(accept(dependencies.decodeObject(kind, raw, !admin.strict), admin.strict).objects));
          return ok();
        },
      },
    },
    {
      path: `/api/v1/${collection}/{name}`,
      methods: {
        GET: ({ parameters: [name = ''], view, indent }) => json(200, found(show(view, name)), indent),
        DELETE: async ({ parameters: [name = ''], view }) => {
          if (!sink.snapshot[collection].has(name)) {
            throw new HttpError(400, `Cannot delete ${label}: Unknown ${label}`);
          }
          await sink.apply(removal(sink.snapshot, kind, name, view.recursive));
          return ok();
        },
      },
    },
  ];
}

/** Endpoints are parts of their clusters. */
function endpointRoutes(dependencies: AdminDependencies): readonly RouteRow[] {
  const { sink, admin } = dependencies;
  const holder = (name: string): { cluster: string; endpoint: Endpoint } => {
    for (const [cluster, { value }] of sink.snapshot.clusters) {
      const endpoint = value.endpoints.find((each) => each.name === name);
      if (endpoint) return { cluster, endpoint };
    }
    throw notFound();
  };
  return [
    {
      path: '/api/v1/clusters/{name}/endpoints',
      methods: {
        GET: ({ parameters: [name = ''], view, indent }) => {
          const { endpoints } = found(view.objects.clusters.get(name)).value;
          return json(200, endpointViews(endpoints, view.endpoints(name), name), indent);
        },
        POST: async ({ request, parameters: [name = ''] }) => {
          const cluster = found(sink.snapshot.clusters.get(name)).value;
          const body = await readBody(dependencies, request);
          const raw = (body['endpoint'] ?? body) as Plain;
          if (cluster.endpoints.some((each) => each.name === raw['name'])) {
            throw new HttpError(400, `Endpoint "${String(raw['name'])}" already defined`);
          }
          const plain: Plain = { ...dependencies.plainCluster(cluster), name: `${name} ` };
          const endpoints = [...((plain['endpoints'] as unknown[] | undefined) ?? []), raw];
          const decoded = accept(
            dependencies.decodeObject('Cluster', { ...plain, endpoints }, !admin.strict),
            admin.strict,
          );
          const added = decoded.objects.clusters.get(decoded.name)?.value.endpoints.at(-1);
          if (added === undefined) throw notFound();
          const unique = { ...added, name: raw['name'] === undefined ? freeName(name, cluster.endpoints) : added.name };
          await sink.apply(
            replaced(sink.snapshot, 'clusters', name, (value) => ({
              ...value,
              endpoints: [...value.endpoints, unique],
            })),
          );
          return ok();
        },
      },
    },
    {
      path: '/api/v1/endpoints/{name}',
      methods: {
        GET: ({ parameters: [name = ''], view, indent }) => {
          const { cluster, endpoint } = holder(name);
          return json(200, endpointView(endpoint, view.endpoints(cluster)), indent);
        },
        DELETE: async ({ parameters: [name = ''] }) => {
          const { cluster } = holder(name);
          await sink.apply(
            replaced(sink.snapshot, 'clusters', cluster, (value) => ({
              ...value,
              endpoints: value.endpoints.filter((each) => each.name !== name),
            })),
          );
          return ok();
        },
      },
    },
  ];
}

function freeName(cluster: string, endpoints: readonly Endpoint[]): string {
  for (let number = 1; ; number++) {
    const name = `${cluster}-EndPoint-${number}`;
    if (!endpoints.some((each) => each.name === name)) return name;
  }
}

/** Rules by their position in a list. */
function positionRoutes(dependencies: AdminDependencies): readonly RouteRow[] {
  const { sink, admin } = dependencies;
  const at = (
    name: string,
    position: string,
    length: (list: RuleList) => number,
  ): { list: RuleList; index: number } => {
    const list = found(sink.snapshot.rulelists.get(name)).value;
    const index = /^\d+$/u.test(position) ? Number(position) : NaN;
    if (!(index < length(list))) throw notFound();
    return { list, index };
  };
  const withRules = (name: string, rules: readonly string[]) =>
    replaced(sink.snapshot, 'rulelists', name, (value) => ({ ...value, rules }));
  return [
    {
      path: '/api/v1/rulelists/{name}/rules/{position}',
      methods: {
        GET: ({ parameters: [name = '', position = ''], view, indent }) => {
          const { list, index } = at(name, position, ({ rules }) => rules.length);
          const rule = view.objects.rules.get(list.rules[index] ?? '')?.value;
          return json(200, ruleView(view, found(rule)), indent);
        },
        POST: async ({ request, parameters: [name = '', position = ''] }) => {
          const { list, index } = at(name, position, ({ rules }) => rules.length + 1);
          const body = await readBody(dependencies, request);
          const raw = body['rule'] ?? body;
          let rule = raw as string;
          let objects = {};
          if (typeof raw !== 'string') {
            const decoded = accept(dependencies.decodeObject('Rule', raw, !admin.strict), admin.strict);
            rule = decoded.name;
            if (sink.snapshot.rules.has(rule)) throw new HttpError(400, `Rule "${rule}" already defined`);
            ({ objects } = decoded);
          }
          const { upsert: change } = withRules(name, list.rules.toSpliced(index, 0, rule));
          await sink.apply(upsert({ ...objects, ...change }));
          return ok();
        },
        DELETE: async ({ parameters: [name = '', position = ''] }) => {
          const { list, index } = at(name, position, ({ rules }) => rules.length);
          await sink.apply(withRules(name, list.rules.toSpliced(index, 1)));
          return ok();
        },
      },
    },
  ];
}

function viewContext({ sink, compactSpec, endpoints, addressOf }: AdminDependencies, recursive: boolean): ViewContext {
  return { objects: sink.snapshot, recursive, spec: compactSpec, endpoints, addressOf };
}

function found<T>(value: T | undefined): T {
  if (value === undefined) throw notFound();
  return value;
}

function accept<T>({ value, faults }: Checked<T>, strict: boolean): T {
  if (value === undefined) throw HttpError.ofFaults(faults, strict);
  return value;
}

const BODY_TYPES = /^(application|text)\/(x-)?(json|yaml|vnd\.yaml)$/u;

/** A JSON or YAML object. No content type is taken as JSON or YAML, too: curl's default form is what it names. */
async function readBody(dependencies: AdminDependencies, { headers, body }: Request): Promise<Plain> {
  const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? '';
  if (type !== '' && type !== 'application/x-www-form-urlencoded' && !BODY_TYPES.test(type)) {
    throw new HttpError(415, `expected application/json or text/x-yaml, found ${type}`);
  }
  let raw: unknown;
  try {
    raw = await dependencies.parse(body.toString('utf8'));
  } catch (error) {
    throw error instanceof FaultsError ? HttpError.ofFaults(error.faults, false) : error;
  }
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    throw new HttpError(400, 'expected an object in the body');
  }
  return raw as Plain;
}

/** Compares digests, so that neither the length nor a prefix of the token shows in the time it takes. */
function authenticate({ headers }: Request, token: string | undefined): void {
  if (token === undefined) return;
  const given = /^Bearer +(.+)$/iu.exec(headers['authorization'] ?? '')?.[1] ?? '';
  const digest = (value: string): Buffer => createHash('sha256').update(value).digest();
  if (!timingSafeEqual(digest(given), digest(token))) throw new HttpError(401, 'expected the bearer token');
}

function matchPath(pattern: readonly string[], segments: readonly string[]): string[] | undefined {
  if (pattern.length !== segments.length && !(pattern.length === 1 && pattern[0] === '' && segments.length === 0))
    return undefined;
  const parameters: string[] = [];
  for (const [index, expected] of pattern.entries()) {
    const segment = segments[index] ?? '';
    if (!expected.startsWith('{')) {
      if (expected !== segment) return undefined;
    } else {
      try {
        parameters.push(decodeURIComponent(segment));
      } catch {
        throw new HttpError(400, `expected a percent-encoded name, found ${segment}`);
      }
    }
  }
  return parameters;
}

/** `format=json` (the default, on one line), `pretty`, or a number of spaces. */
function indentOf(format: string | null): number | undefined {
  if (format === null || format === 'json') return undefined;
  if (format === 'pretty') return 2;
  if (/^\d$/u.test(format)) return Number(format);
  throw new HttpError(400, `expected format=json, pretty or a number of spaces, found ${format}`);
}

const INDEX = `l7mp
  /ready /healthz /metrics
  /api/v1/openapi.json
  /api/v1/{config,admin,listeners,clusters,rulelists,rules,routes,sessions}
`;
