/** The objects of the configuration with how they fare, for those who follow them. */
import type { Listing } from '../../common/web/events.ts';
import { KIND_OF, LISTS } from '../../config/kinds.ts';
import type { Context } from './context.ts';
import { viewOf } from './objects.ts';
import { createViewContext } from './views.ts';

export function objectListing(context: Context, recursive: boolean): Listing {
  const view = createViewContext(context, recursive);
  const items = LISTS.flatMap((collection) => {
    const kind = KIND_OF[collection];
    return [...view.objects[collection]].map(([name, { source }]) => {
      const { state, reason = '' } = context.servingOf(kind, name) ?? { state: 'warming' };
      const object = { kind, name, source, state, reason, spec: viewOf(view, collection, name) };
      return [`${kind}/${name}`, object] as const;
    });
  });
  return { items };
}
