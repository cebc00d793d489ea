/** The process as a whole: its index, health, metrics, document, configuration and settings. */
import type { Admin } from '../../gen/l7mp/config/v1/types.ts';
import type { Plain } from '../../common/address.ts';
import type { ConfigSnapshot } from '../../config/snapshot.ts';
import { HIDDEN } from '../../common/secrets.ts';
import { productVersion } from '../../common/version.ts';
import { LISTS } from '../../config/kinds.ts';
import { readBody, unwrapObject, without } from './body.ts';
import { accept, type Context, show, viewsOf } from './context.ts';
import { HttpError, ok, text } from './respond.ts';
import type { Route } from './router.ts';
import { sessionView } from './views.ts';

export function processRoutes(context: Context): Route[] {
  const { sink, sessions, parse } = context;
  return [
    { path: '/', methods: { GET: () => text(200, INDEX) } },
    { path: '/healthz', methods: { GET: () => text(200, 'ok\n') } },
    { path: '/ready', methods: { GET: () => (context.ready() ? text(200, 'ready\n') : text(503, 'not ready\n')) } },
    {
      path: '/metrics',
      methods: { GET: async () => text(200, await context.metrics(), 'text/plain; version=0.0.4; charset=utf-8') },
    },
    {
      path: '/api/v1/openapi.json',
      methods: { GET: async (call) => show(call, (await import('./openapi.ts')).createOpenapi(context.jsonSchemas)) },
    },
    {
      path: '/api/v1/config',
      methods: {
        GET: (call) => {
          const view = viewsOf(context, call);
          return show(call, {
            ...context.plain(sink.snapshot),
            admin: adminView(context),
            sessions: [...sessions.list()].map((session) => sessionView(view, session)),
          });
        },
        POST: async ({ request }) => {
          // What GET shows beside the configuration proper is passed over.
          const config = without(unwrapObject(await readBody(parse, request), 'config'), 'admin', 'sessions');
          const keys = Object.keys(config);
          if (keys.length > 0 && !keys.some((key) => (LISTS as readonly string[]).includes(key))) {
            // A misspelt body must not empty the proxy.
            throw new HttpError(400, `expected ${LISTS.join(', ')}; found ${keys.join(', ')}`);
          }
          const decoded = accept(context, context.decodeConfig(config, !context.strict));
          await sink.replace((current) => {
            refuseManaged(current, decoded);
            return { ...decoded, admin: current.admin };
          });
          return ok();
        },
      },
    },
    {
      path: '/api/v1/admin',
      methods: {
        GET: (call) => show(call, adminView(context)),
        POST: async ({ request }) => {
          changeAdmin(context, unwrapObject(await readBody(parse, request), 'admin'));
          return ok();
        },
      },
    },
  ];
}

/** A file's objects come before the control plane's; a request's don't. @throws HttpError */
function refuseManaged(current: ConfigSnapshot, given: ConfigSnapshot): void {
  const managed = LISTS.flatMap((collection) =>
    [...given[collection].keys()]
      .filter((name) => current[collection].get(name)?.source === 'controlplane')
      .map((name) => ({
        path: `${collection}.${name}`,
        expected: "an object of the proxy's own",
        found: `"${name}", managed by the control plane`,
      })),
  );
  if (managed.length > 0) throw HttpError.ofFaults(managed, false);
}

/** The settings without the token, and with what l7mp shows beside them. */
function adminView(context: Context): Plain {
  const { admin, strict, logLevel, sink } = context;
  const { api, ...plain } = context.plain({ ...sink.snapshot, admin })['admin'] as Plain;
  const shown = typeof api === 'object' && api !== null && 'token' in api ? { ...api, token: HIDDEN } : api;
  return {
    version: productVersion(),
    ...plain,
    log_level: logLevel,
    strict,
    ...(shown !== undefined && { api: shown }),
  };
}

/** The log level and strictness change at once; all else is the process's for good. */
function changeAdmin(context: Context, given: Plain): void {
  const { admin: next } = accept(context, context.decodeConfig({ admin: without(given, 'version') }, !context.strict));
  const current: Admin = { ...context.admin, log_level: context.logLevel, strict: context.strict };
  const fixed = Object.keys(given).filter(
    (key): key is keyof Admin => key in current && key !== 'log_level' && key !== 'strict',
  );
  const differing = fixed.filter((key) => JSON.stringify(next[key]) !== JSON.stringify(current[key]));
  if (differing.length > 0) {
    throw new HttpError(501, `expected log_level or strict; ${differing.join(', ')} can only be set at the start`);
  }
  if ('log_level' in given) {
    context.logLevel = next.log_level;
    context.setLogLevel(next.log_level);
  }
  if ('strict' in given) context.strict = next.strict;
}

const INDEX = `l7mp
  /ready  /healthz  /metrics
  /api/v1/openapi.json
  /api/v1/config  /api/v1/admin  /api/v1/sessions  /api/v1/controlplane  /api/v1/offload  /api/v1/taps  /api/v1/traffic
  /api/v1/listeners  /api/v1/clusters  /api/v1/rulelists  /api/v1/rules  /api/v1/routes
`;
