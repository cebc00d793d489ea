/** Filters of HTTPRoutes and GRPCRoutes as what rules and routes of the proxy do. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import type { BackendReference, HeaderFilter, PathModifier, RouteFilter } from '../api/gateway-kinds.ts';
import { headerPath } from './pointers.ts';

export interface Effects {
  /** Changes to the request, in order; `prefix` is what the rule's match says of the path. */
  readonly rewrite: (prefix: string | undefined) => Json[];
  /** `set`, `add`, `remove`; absent where nothing is changed. */
  readonly responseHeaders?: Json;
  readonly mirrors: readonly { readonly ref: BackendReference; readonly percent: number }[];
  readonly redirect?: (prefix: string | undefined) => Json;
  readonly cors?: Json;
  /** What can't be done: a request that it is asked for gets an error. */
  readonly faults: readonly string[];
}

/** Where a filter stands: those of a backend are fewer. */
export type Place = 'rule' | 'backend';

export function readFilters(filters: readonly RouteFilter[] | undefined, place: Place): Effects {
  const rewrites: ((prefix: string | undefined) => Json[])[] = [];
  const changes: HeaderFilter[] = [];
  const mirrors: { ref: BackendReference; percent: number }[] = [];
  const faults: string[] = [];
  let redirect: Effects['redirect'];
  let cors: Json | undefined;
  for (const [index, filter] of (filters ?? []).entries()) {
    const { requestHeaderModifier, responseHeaderModifier, requestMirror, requestRedirect, urlRewrite } = filter;
    if (requestHeaderModifier !== undefined) {
      const rewrite = headerRewrites(requestHeaderModifier);
      rewrites.push(() => rewrite);
    } else if (responseHeaderModifier !== undefined) {
      changes.push(responseHeaderModifier);
    } else if (urlRewrite !== undefined && place === 'rule') {
      const { hostname, path } = urlRewrite;
      if (hostname !== undefined) rewrites.push(() => [{ path: headerPath('host'), value: hostname }]);
      if (path !== undefined)
        rewrites.push((prefix) => [{ path: '/HTTP/url/path', ...newPath(path, prefix, 'value') }]);
    } else if (requestMirror !== undefined && place === 'rule') {
      const { backendRef: ref, percent = 100, fraction } = requestMirror;
      const part = fraction === undefined ? percent : (100 * fraction.numerator) / (fraction.denominator ?? 100);
      mirrors.push({ ref, percent: Math.min(part, 100) });
    } else if (requestRedirect !== undefined && place === 'rule') {
      redirect = redirectOf(requestRedirect);
    } else if (filter.cors !== undefined && place === 'rule') {
      cors = corsOf(filter.cors);
    } else {
      const expected =
        place === 'rule'
          ? 'RequestHeaderModifier, ResponseHeaderModifier, RequestMirror, RequestRedirect, URLRewrite, CORS'
          : 'RequestHeaderModifier, ResponseHeaderModifier';
      faults.push(
        `filters[${index}]: expected one of ${expected}${place === 'backend' ? ' at a backend' : ''}, found ${filter.type}`,
      );
    }
  }
  if (redirect !== undefined && (filters ?? []).some(({ urlRewrite }) => urlRewrite !== undefined)) {
    faults.push('filters: expected RequestRedirect or URLRewrite, found both');
  }
  return {
    rewrite: (prefix) => rewrites.flatMap((make) => make(prefix)),
    ...(changes.length > 0 && { responseHeaders: headerChanges(changes) }),
    mirrors,
    ...(redirect && { redirect }),
    ...(cors !== undefined && { cors }),
    faults,
  };
}

function headerRewrites({ set = [], add = [], remove = [] }: HeaderFilter): Json[] {
  return [
    ...remove.map((name) => ({ path: headerPath(name) })),
    ...set.map(({ name, value }) => ({ path: headerPath(name), value })),
    ...add.map(({ name, value }) => ({ path: headerPath(name), append: value })),
  ];
}

function headerChanges(filters: readonly HeaderFilter[]): Json {
  const fields = (of: 'set' | 'add'): Json =>
    Object.fromEntries(
      filters.flatMap((filter) => (filter[of] ?? []).map(({ name, value }) => [name.toLowerCase(), value])),
    );
  const remove = filters.flatMap((filter) => filter.remove ?? []).map((name) => name.toLowerCase());
  const [set, add] = [fields('set'), fields('add')];
  return {
    ...(Object.keys(set as object).length > 0 && { set }),
    ...(Object.keys(add as object).length > 0 && { add }),
    ...(remove.length > 0 && { remove }),
  };
}

/** A whole path goes under the name that the field has there; a prefix always as `prefix`. */
function newPath(path: PathModifier, prefix: string | undefined, whole: 'value' | 'path'): Record<string, Json> {
  if (path.type === 'ReplaceFullPath') return { [whole]: path.replaceFullPath ?? '/' };
  return { prefix: { from: prefix ?? '/', to: path.replacePrefixMatch ?? '/' } };
}

function redirectOf(filter: NonNullable<RouteFilter['requestRedirect']>): NonNullable<Effects['redirect']> {
  const { scheme, hostname, path, port, statusCode = 302 } = filter;
  return (prefix) => ({
    ...(scheme !== undefined && { scheme }),
    ...(hostname !== undefined && { host: hostname }),
    ...(port !== undefined && { port }),
    ...(path !== undefined && newPath(path, prefix, 'path')),
    status: statusCode,
  });
}

/** Where no origin is allowed there is nothing to say: browsers then let nobody in. */
function corsOf(filter: NonNullable<RouteFilter['cors']>): Json | undefined {
  const { allowOrigins = [], allowMethods, allowHeaders, exposeHeaders, allowCredentials, maxAge } = filter;
  if (allowOrigins.length === 0) return undefined;
  return {
    allow_origins: [...allowOrigins],
    ...(allowMethods && { allow_methods: [...allowMethods] }),
    ...(allowHeaders && { allow_headers: [...allowHeaders] }),
    ...(exposeHeaders && { expose_headers: [...exposeHeaders] }),
    ...(allowCredentials === true && { allow_credentials: true }),
    ...(maxAge !== undefined && { max_age: maxAge }),
  };
}
