/** Taps: started, which streams what sessions carry; listed; ended. */
import type { Plain } from '../../common/address.ts';
import { isLoopback } from '../../common/loopback.ts';
import type { Tap } from '../../gen/l7mp/config/v1/types.ts';
import type { Request, Response } from '../core/protocol.ts';
import type { TapView } from '../core/tap.ts';
import { readBody, unwrap } from './body.ts';
import { accept, type Context, show } from './context.ts';
import { badRequest, HttpError } from '../../common/http-error.ts';
import { notFound, ok } from './respond.ts';
import type { Route } from './router.ts';

/** Lines of JSON. */
export const RECORDS_TYPE = 'application/x-ndjson';

export function tapRoutes(context: Context): Route[] {
  const { taps } = context;
  return [
    {
      path: '/api/v1/taps',
      methods: {
        GET: (call) => show(call, taps.list().map(tapView)),
        POST: async ({ request }) => {
          refuseWithoutRight(context, request);
          const body = unwrap(await readBody(context.parse, request), 'tap');
          const tap = accept(context, context.decodeTap(body, !context.strict));
          refuseUnknown(context, tap);
          return stream(taps.start(tap, request));
        },
      },
    },
    {
      path: '/api/v1/taps/{id}',
      methods: {
        DELETE: ({ parameters: [id = ''], query }) => {
          if (!/^\d+$/u.test(id) || !taps.stop(Number(id), endOf(query.get('by')))) throw notFound();
          return ok();
        },
      },
    },
  ];
}

/** Who ends a tap in order asks on another connection than the one it reads: it says that it is the same. @throws HttpError 400 */
function endOf(by: string | null): string {
  if (by === null) return 'it was ended by the REST API';
  if (by === 'client') return 'its client ended it';
  throw badRequest(`by: expected client, found ${JSON.stringify(by)}`);
}

function stream(body: AsyncIterableIterator<string>): Response {
  return { status: 200, headers: { 'content-type': RECORDS_TYPE, 'cache-control': 'no-store' }, body };
}

/** @throws HttpError 403 */
function refuseWithoutRight({ admin, taps }: Context, request: Request): void {
  const { allow } = admin.taps;
  const { local } = request;
  if (allow === 'all' || (allow === 'loopback' && (local === undefined || isLoopback(local)))) return;
  const found = allow === 'off' ? 'admin.taps.allow: off' : `a request at ${local ?? ''}`;
  const expected =
    allow === 'off' ? 'a proxy that allows taps' : 'a request at a loopback address, or admin.taps.allow: all';
  taps.refused(request, `expected ${expected}, found ${found}`);
  throw new HttpError(403, `expected ${expected}, found ${found}`);
}

/** @throws HttpError 400 */
function refuseUnknown({ sink, sessions }: Context, { listener, session: name }: Tap): void {
  if (listener !== undefined && !sink.snapshot.listeners.has(listener)) {
    throw new HttpError(400, `listener: expected the name of a listener, found ${JSON.stringify(listener)}`);
  }
  if (name === undefined) return;
  const session = sessions.get(name);
  if (!session) throw new HttpError(400, `session: expected the name of a session, found ${JSON.stringify(name)}`);
  if (session.status !== 'DESTROYED') return;
  throw new HttpError(400, `session: expected a session that goes on, found ${JSON.stringify(name)}, which has ended`);
}

function tapView({ id, request, startedAt, remote, sessions, messages, bytes, dropped }: TapView): Plain {
  return { id, request, started_at: startedAt, remote, sessions, messages, bytes, dropped };
}
