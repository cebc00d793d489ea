/** The process as a whole: its index, health, metrics, document and settings. */
import type { Admin } from '../../gen/l7mp/config/v1/types.ts';
import type { Plain } from '../../common/address.ts';
import { HIDDEN } from '../../common/secrets.ts';
import { productVersion } from '../../common/version.ts';
import type { Request } from '../core/protocol.ts';
import { readBody, unwrapObject, without } from './body.ts';
import { accept, type Context, show } from './context.ts';
import { HttpError } from '../../common/http-error.ts';
import { ok, redirect, text } from './respond.ts';
import type { Route } from './router.ts';

export function processRoutes(context: Context): Route[] {
  const { parse } = context;
  return [
    {
      path: '/',
      methods: {
        // Who reads this in a browser wants the page.
        GET: ({ request }) => (isBrowser(request) ? redirect('/ui/') : text(200, INDEX)),
      },
    },
    { path: '/healthz', methods: { GET: () => text(200, 'ok\n') } },
    { path: '/ready', methods: { GET: () => (context.ready() ? text(200, 'ready\n') : text(503, 'not ready\n')) } },
    {
      path: '/metrics',
      methods: {
        GET: async ({ request: { headers } }) => {
          const page = await context.metrics(headers['accept']);
          return text(200, page.text, page.contentType);
        },
      },
    },
    {
      path: '/api/v1/openapi.json',
      methods: { GET: async (call) => show(call, (await import('./openapi.ts')).createOpenapi(context.jsonSchemas)) },
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

export function isBrowser({ headers }: Request): boolean {
  return headers['accept']?.includes('text/html') === true;
}

/** The settings without the token, and with what l7mp shows beside them. */
export function adminView(context: Context): Plain {
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
  /ui/  /ready  /healthz  /metrics
  /api/v1/openapi.json
  /api/v1/config  /api/v1/admin  /api/v1/sessions  /api/v1/controlplane  /api/v1/offload  /api/v1/taps  /api/v1/traffic
  /api/v1/topology  /api/v1/events  /api/v1/dashboard
  /api/v1/listeners  /api/v1/clusters  /api/v1/rulelists  /api/v1/rules  /api/v1/routes
`;
