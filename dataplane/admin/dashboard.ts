/** The dashboard: its files, what it can ask this server, and what it is told as it changes. */
import type { Plain } from '../../common/address.ts';
import { isLoopback } from '../../common/loopback.ts';
import { productVersion } from '../../common/version.ts';
import { EVENT_HEADERS, eventsOf, type Listing, type Topic } from '../../common/web/events.ts';
import { PAGE_HEADERS, webFile } from '../../common/web/files.ts';
import { intervalOf, knownTopic, topicNames } from '../../common/web/queries.ts';
import { TrafficRates } from '../../common/web/traffic-rates.ts';
import type { Request, Response } from '../core/protocol.ts';
import { type Context, isRecursive, show } from './context.ts';
import { controlPlaneView } from './control-plane.ts';
import { objectListing } from './object-listing.ts';
import { offloadView } from './offload.ts';
import { badRequest, HttpError } from '../../common/http-error.ts';
import { redirect, text } from './respond.ts';
import type { Call, Route } from './router.ts';
import { pageOf } from './session-page.ts';
import { TOPICS, type TopicName } from './topics.ts';
import { sessionRow } from './session-row.ts';

/** What is open at once: each costs a look at what it shows, a second. */
const MAX_STREAMS = 32;

/** Who has no token may have these: they are the same for everybody. */
export function isPageFile(path: string): boolean {
  return path === '/ui' || path.startsWith('/ui/');
}

export function dashboardRoutes(context: Context): Route[] {
  const open = new Set<AbortController>();
  const file = (call: Call): Response => {
    refuseOpen(context, call.request);
    return fileOf(call);
  };
  return [
    { path: '/ui', methods: { GET: file } },
    { path: '/ui/{file}', methods: { GET: file } },
    { path: '/ui/{folder}/{file}', methods: { GET: file } },
    {
      path: '/api/v1/dashboard',
      methods: {
        GET: (call) =>
          show(call, { server: 'proxy', version: productVersion(), admin: true, identity: '', topics: TOPICS }),
      },
    },
    { path: '/api/v1/topology', methods: { GET: (call) => show(call, context.traffic()) } },
    {
      path: '/api/v1/events',
      methods: {
        GET: (call) => {
          const topics = topicsOf(context, call);
          const intervalMs = intervalOf(call.query, badRequest);
          if (open.size >= MAX_STREAMS)
            throw new HttpError(503, `expected at most ${MAX_STREAMS} streams of events at once`);
          const gone = new AbortController();
          open.add(gone);
          const signal = AbortSignal.any([gone.signal, context.stopping]);
          const leave = (): void => {
            open.delete(gone);
            gone.abort();
          };
          return {
            status: 200,
            headers: EVENT_HEADERS,
            body: leaving(eventsOf(topics, { intervalMs, signal }), leave),
          };
        },
      },
    },
  ];
}

/** A generator hears of `return` only when it yields: `leave` is called at once, and has it end. */
function leaving(events: AsyncGenerator<string>, leave: () => void): AsyncIterableIterator<string> {
  return {
    next: async () => {
      let isOver = true;
      try {
        const result = await events.next();
        isOver = result.done === true;
        return result;
      } finally {
        if (isOver) leave();
      }
    },
    return: () => {
      leave();
      return events.return(undefined);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

function fileOf({ request, parameters }: Call): Response {
  const [path = ''] = request.url.replace(/^https?:\/\/[^/?#]*/iu, '').split('?');
  if (path === '/ui') return redirect('/ui/');
  const found = webFile(parameters.join('/'));
  if (found !== undefined) return { status: 200, ...found };
  const reason = parameters.length === 0 ? 'the dashboard is not built: npm run build' : 'there is no such file';
  return { ...text(404, `${reason}\n`), headers: { ...PAGE_HEADERS, 'content-type': 'text/plain; charset=utf-8' } };
}

/** A listener of the configuration may serve the API to everybody; who would open a page there is told what that means. */
function refuseOpen({ admin: { api } }: Context, { local }: Request): void {
  const guarded = api.token !== undefined || api.tls?.client_certificate === 'require';
  if (guarded || local === undefined || isLoopback(local)) return;
  throw new HttpError(
    403,
    `the dashboard is shown off loopback with admin.api.token only: expected one, found none at ${local}`,
  );
}

function topicsOf(context: Context, call: Call): ReadonlyMap<string, Topic> {
  const topics = topicNames(call.query).map((name) => knownTopic(name, TOPICS, badRequest));
  return new Map(topics.map((name) => [name, topicOf(name, context, call)]));
}

function topicOf(name: TopicName, context: Context, call: Call): Topic {
  switch (name) {
    case 'status':
      return () => ({ items: [['proxy', statusView(context)]] });
    case 'traffic': {
      const rates = new TrafficRates();
      return () => {
        const report = context.traffic();
        return { items: rates.take(report), omitted: report.omitted };
      };
    }
    case 'faults':
      return () => faultListing(context);
    case 'sessions':
      pageOf([], call.query); // what is wrong with the query is told at once
      return () => sessionListing(context, call);
    case 'objects':
      return () => objectListing(context, isRecursive(call));
    case 'offload':
      return () => offloadListing(context);
  }
}

function statusView({ controlPlane, ready, admin, sessions }: Context): Plain {
  const state = controlPlane();
  let open = 0;
  for (const { status } of sessions.list()) if (status !== 'DESTROYED') open++;
  return {
    version: productVersion(),
    ready: ready(),
    offload: admin.offload,
    sessions: open,
    ...(state && { controlplane: controlPlaneView(state) }),
  };
}

/** Sessions that have failed, and what is wrong with the configuration file, until it is taken again. */
function faultListing({ faults, refusal }: Context): Listing {
  const sessions = faults().map((each) => [`session ${each.time} ${each.session}`, each] as const);
  const { at = 0, file = '', faults: found = [] } = refusal() ?? {};
  const time = new Date(at).toISOString();
  const ofFile = found.map((message) => [`configuration ${message}`, { time, file, message }] as const);
  return { items: [...ofFile, ...sessions] };
}

function sessionListing({ sessions }: Context, { query }: Call): Listing {
  const { sessions: page, total } = pageOf(sessions.list(), query);
  return {
    items: page.map((session) => [`session ${session.name}`, sessionRow(session)]),
    omitted: total - page.length,
  };
}

function offloadListing({ offload }: Context): Listing {
  const { sessions = [], ...engine } = offloadView(offload()) as { sessions?: readonly Plain[] };
  return {
    // Sessions may have any name.
    items: [
      ['engine', engine] as const,
      ...sessions.map((each) => [`session ${String(each['session'])}`, each] as const),
    ],
  };
}
