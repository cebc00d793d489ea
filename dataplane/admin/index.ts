/** The REST API: l7mp's, under /api/v1, and beside it /ready, /healthz and /metrics. A pure request handler. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { LogFields } from '../../common/log.ts';
import type { SessionsReport } from '../../gen/messages.ts';
import type { Request, RequestHandler } from '../core/protocol.ts';
import { who } from '../core/requester.ts';
import { refuseStrangers } from './browser.ts';
import type { Context } from './context.ts';
import { configRoutes } from './config.ts';
import { dashboardRoutes, isPageFile } from './dashboard.ts';
import { controlPlaneRoutes } from './control-plane.ts';
import { endpointRoutes } from './endpoints.ts';
import { objectRoutes } from './objects.ts';
import { offloadRoutes } from './offload.ts';
import { positionRoutes } from './positions.ts';
import { isBrowser, processRoutes } from './process.ts';
import { HttpError } from '../../common/http-error.ts';
import { failure, toHttpError } from './respond.ts';
import { createRouter, readTarget, type Target } from './router.ts';
import { reportSessions } from './session-report.ts';
import { sessionRoutes } from './sessions.ts';
import { tapRoutes } from './taps.ts';
import { trafficRoutes } from './traffic.ts';
import type { AdminDependencies } from './types.ts';

export interface AdminApi {
  /** Never rejects: what fails is answered. */
  readonly handle: RequestHandler;
  /** Sessions in the form in which the control plane is told of them. */
  readonly sessionsReport: (most: number, details: readonly string[]) => SessionsReport;
  /** Every path and method that is served: the OpenAPI document is held against it. */
  readonly operations: readonly { readonly path: string; readonly method: string }[];
}

/** Asked by probes, which have no token. */
const OPEN_PATHS: ReadonlySet<string> = new Set(['/ready', '/healthz']);

export function createAdminApi(dependencies: AdminDependencies): AdminApi {
  const { log } = dependencies;
  const { strict, log_level, api } = dependencies.admin;
  const context: Context = { ...dependencies, strict, logLevel: log_level };
  const routes = [
    ...processRoutes(context),
    ...configRoutes(context),
    ...dashboardRoutes(context),
    ...controlPlaneRoutes(context),
    ...offloadRoutes(context),
    ...objectRoutes(context),
    ...endpointRoutes(context),
    ...positionRoutes(context),
    ...sessionRoutes(context),
    ...tapRoutes(context),
    ...trafficRoutes(context),
  ];
  const route = createRouter(routes);
  const isAllowed = createGuard(api.token);
  const admit = (request: Request, target: Target): void => {
    try {
      if (api.token === undefined) refuseStrangers(request);
      if (!isAllowed(request)) throw new HttpError(401, 'expected the bearer token');
    } catch (error) {
      log.warn(
        { ...auditOf(request, target), reason: (error as Error).message },
        'a request to the REST API was refused',
      );
      throw error;
    }
  };
  const handle: RequestHandler = async (request) => {
    try {
      const target = readTarget(request);
      if (!isOpen(request, target)) admit(request, target);
      const { handler, parameters } = route(target);
      const answer = await handler({ request, parameters, query: target.query });
      if (isChange(target)) log.info(auditOf(request, target), 'the REST API has changed something');
      return answer;
    } catch (error) {
      return failure(toHttpError(error));
    }
  };
  const operations = routes
    .filter(({ path }) => !isPageFile(path))
    .flatMap(({ path, methods }) => Object.keys(methods).map((method) => ({ path, method })));
  return { handle, operations, sessionsReport: (most, details) => reportSessions(dependencies, most, details) };
}

/** The page asks for a token itself: a browser is sent there without one. */
function isOpen(request: Request, { method, path }: Target): boolean {
  return OPEN_PATHS.has(path) || isPageFile(path) || (method === 'GET' && path === '/' && isBrowser(request));
}

/** Taps have lines of their own when they begin. */
function isChange({ method, path, query }: Target): boolean {
  return method !== 'GET' && query.get('dry_run') !== 'true' && !(method === 'POST' && path === '/api/v1/taps');
}

function auditOf(request: Request, { method, path }: Target): LogFields {
  return { audit: true, ...who(request), method, path };
}

/** Compares digests, so that neither the length nor a prefix of the token shows in the time it takes. */
function createGuard(token: string | undefined): (request: Request) => boolean {
  if (token === undefined) return () => true;
  const digest = (value: string): Buffer => createHash('sha256').update(value).digest();
  const expected = digest(token);
  return ({ headers }) => {
    const given = /^Bearer +(.+)$/iu.exec(headers['authorization'] ?? '')?.[1] ?? '';
    return timingSafeEqual(digest(given), expected);
  };
}
