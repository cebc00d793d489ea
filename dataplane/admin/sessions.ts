/** Sessions: listed, shown, ended. */
import { ProxyError } from '../../common/errors.ts';
import { type Context, found, show, viewsOf } from './context.ts';
import { ok } from './respond.ts';
import type { Route } from './router.ts';
import { sessionView } from './views.ts';

export function sessionRoutes(context: Context): Route[] {
  const { sessions } = context;
  return [
    {
      path: '/api/v1/sessions',
      methods: {
        GET: (call) => {
          const view = viewsOf(context, call);
          return show(
            call,
            [...sessions.list()].map((session) => sessionView(view, session)),
          );
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
