/** Sessions: listed, shown, ended. */
import { ProxyError } from '../../common/errors.ts';
import { type Context, found, show, viewsOf } from './context.ts';
import { ok } from './respond.ts';
import type { Route } from './router.ts';
import { pageOf } from './session-page.ts';
import { sessionView } from './views.ts';

export function sessionRoutes(context: Context): Route[] {
  const { sessions } = context;
  return [
    {
      path: '/api/v1/sessions',
      methods: {
        GET: (call) => {
          const view = viewsOf(context, call);
          const { sessions: page, total, next } = pageOf(sessions.list(), call.query);
          const answer = show(
            call,
            page.map((session) => sessionView(view, session)),
          );
          const link = next === undefined ? {} : { link: `</api/v1/sessions?${next}>; rel="next"` };
          return { ...answer, headers: { ...answer.headers, 'x-total-count': String(total), ...link } };
        },
      },
    },
    {
      path: '/api/v1/sessions/{name}',
      methods: {
        GET: (call) => show(call, sessionView(viewsOf(context, call), found(sessions.get(call.parameters[0] ?? '')))),
        DELETE: ({ parameters: [name = ''] }) => {
          found(sessions.get(name)).destroy(new ProxyError('DELETED', 'deleted by the REST API'));
          return ok();
        },
      },
    },
  ];
}
