/** Listeners, clusters, rule lists, rules and routes: listed, added, shown, deleted. */
import type { Plain } from '../../common/address.ts';
import { ProxyError } from '../../common/errors.ts';
import type { ConfigDelta } from '../../config/snapshot.ts';
import { KIND_OF, LISTS } from '../../config/kinds.ts';
import { nameOf, readBody, unwrap } from './body.ts';
import { type Collection, labelOf, removal, upsert } from './changes.ts';
import { accept, type Context, found, isRecursive, show, viewsOf } from './context.ts';
import { HttpError } from '../../common/http-error.ts';
import { ok } from './respond.ts';
import type { Route } from './router.ts';
import { clusterView, listenerView, routeView, ruleListView, ruleView, type ViewContext } from './views.ts';

export function objectRoutes(context: Context): Route[] {
  return LISTS.flatMap((collection) => [listRoute(context, collection), itemRoute(context, collection)]);
}

function listRoute(context: Context, collection: Collection): Route {
  const { sink, parse } = context;
  const kind = KIND_OF[collection];
  const label = labelOf(collection);
  return {
    path: `/api/v1/${collection}`,
    methods: {
      GET: (call) => {
        const view = viewsOf(context, call);
        return show(
          call,
          [...view.objects[collection].keys()].map((name) => viewOf(view, collection, name)),
        );
      },
      POST: async ({ request }) => {
        const raw = unwrap(await readBody(parse, request), label);
        const name = nameOf(raw);
        await sink.apply((objects) => {
          if (name !== undefined && objects[collection].has(name)) {
            throw new HttpError(400, `Cannot add ${label}: ${kind} "${name}" already defined`);
          }
          return upsert(accept(context, context.decodeObject(kind, raw, !context.strict)).objects);
        });
        return ok();
      },
    },
  };
}

function itemRoute(context: Context, collection: Collection): Route {
  const { sink } = context;
  const kind = KIND_OF[collection];
  const label = labelOf(collection);
  return {
    path: `/api/v1/${collection}/{name}`,
    methods: {
      GET: (call) => {
        const [name = ''] = call.parameters;
        const view = viewsOf(context, call);
        // l7mp shows the endpoints of a single cluster always.
        const shown = collection === 'clusters' ? { ...view, recursive: true } : view;
        return show(call, found(viewOf(shown, collection, name)));
      },
      DELETE: async (call) => {
        const [name = ''] = call.parameters;
        const recursive = isRecursive(call);
        let removed: ConfigDelta['remove'] = [];
        await sink.apply((objects) => {
          if (!objects[collection].has(name)) {
            throw new HttpError(400, `Cannot delete ${label}: Unknown ${label} "${name}"`);
          }
          const delta = removal(objects, kind, name, recursive);
          removed = delta.remove;
          return delta;
        });
        // Once this request is answered: its own session may be among them.
        if (recursive) setImmediate(endSessions, context, removed);
        return ok();
      },
    },
  };
}

/** Ends the sessions that came from a listener, or go through a cluster, that is gone. */
function endSessions({ sessions }: Context, removed: ConfigDelta['remove']): void {
  const names = (kind: string): Set<string> =>
    new Set(removed.filter((each) => each.kind === kind).map(({ name }) => name));
  const listeners = names('Listener');
  const clusters = names('Cluster');
  if (listeners.size + clusters.size === 0) return;
  for (const session of [...sessions.list()]) {
    if (session.endedAt !== undefined) continue;
    const { listener, destination, ingress, egress } = session;
    const stages = [...ingress, ...egress, ...(destination ? [destination] : [])];
    if (listeners.has(listener) || stages.some(({ origin }) => clusters.has(origin))) {
      session.destroy(new ProxyError('DELETED', 'its listener or cluster was deleted by the REST API'));
    }
  }
}

export function viewOf(view: ViewContext, collection: Collection, name: string): Plain | undefined {
  const { objects } = view;
  const maybe = <T>(object: { readonly value: T } | undefined, make: (context: ViewContext, value: T) => Plain) =>
    object && make(view, object.value);
  switch (collection) {
    case 'listeners':
      return maybe(objects.listeners.get(name), listenerView);
    case 'clusters':
      return maybe(objects.clusters.get(name), clusterView);
    case 'rulelists':
      return maybe(objects.rulelists.get(name), ruleListView);
    case 'rules':
      return maybe(objects.rules.get(name), ruleView);
    case 'routes':
      return maybe(objects.routes.get(name), routeView);
  }
}
