/** Rules of a rule list by their position: shown, inserted, taken out. */
import type { RuleList } from '../../gen/l7mp/config/v1/types.ts';
import { nameOf, readBody, unwrap } from './body.ts';
import { replaced, upsert } from './changes.ts';
import { accept, type Context, found, show, viewsOf } from './context.ts';
import { HttpError } from '../../common/http-error.ts';
import { ok } from './respond.ts';
import type { Route } from './router.ts';
import { ruleView } from './views.ts';

export function positionRoutes(context: Context): Route[] {
  const { sink, parse } = context;
  return [
    {
      path: '/api/v1/rulelists/{name}/rules/{position}',
      methods: {
        GET: (call) => {
          const [name = '', position = ''] = call.parameters;
          const view = viewsOf(context, call);
          const { value: list } = found(view.objects.rulelists.get(name));
          const rule = found(list.rules[indexOf(list, position) ?? -1]);
          return show(call, ruleView(view, found(view.objects.rules.get(rule)).value));
        },
        POST: async ({ request, parameters: [name = '', position = ''] }) => {
          const raw = unwrap(await readBody(parse, request), 'rule');
          const given = nameOf(raw);
          await sink.apply(({ rulelists, rules }) => {
            const object = found(rulelists.get(name));
            if (given !== undefined && rules.has(given)) {
              throw new HttpError(400, `Cannot add rule: Rule "${given}" already defined`);
            }
            const index = insertionPoint(object.value, position);
            // The list is decoded as a whole, so that the rule is the list's own, and circles are found.
            const plain = { name, rules: (object.value.rules as readonly unknown[]).toSpliced(index, 0, raw) };
            const { objects } = accept(context, context.decodeObject('RuleList', plain, !context.strict));
            const { value } = found(objects.rulelists.get(name));
            const lists = new Map([...objects.rulelists, ...replacement(name, object, value)]);
            return upsert({ ...objects, rulelists: lists });
          });
          return ok();
        },
        // The rule itself stays: it may be in other lists. l7mp's operator names the rule instead of its position.
        DELETE: async ({ parameters: [name = '', position = ''] }) => {
          await sink.apply(({ rulelists }) => {
            const object = found(rulelists.get(name));
            const index = indexOf(object.value, position);
            if (index === undefined) throw new HttpError(400, `Cannot delete rule: Unknown rule "${position}"`);
            const rules = object.value.rules.toSpliced(index, 1);
            return upsert(replaced('rulelists', name, object, { ...object.value, rules }));
          });
          return ok();
        },
      },
    },
  ];
}

function replacement(name: string, object: Parameters<typeof replaced<'rulelists'>>[2], value: RuleList) {
  return replaced('rulelists', name, object, value).rulelists ?? [];
}

/** The index of a rule by its position, from 0, or by its name. */
function indexOf({ rules }: RuleList, position: string): number | undefined {
  const named = rules.indexOf(position);
  const index = named < 0 && /^\d{1,9}$/u.test(position) ? Number(position) : named;
  return index >= 0 && index < rules.length ? index : undefined;
}

function insertionPoint({ rules }: RuleList, position: string): number {
  const index = /^\d{1,9}$/u.test(position) ? Number(position) : NaN;
  if (index <= rules.length) return index;
  throw new HttpError(400, `Cannot add rule: expected a position from 0 to ${rules.length}, found ${position}`);
}
