/** The configuration as a whole: shown, replaced, or what a replacement would change. */
import type { Plain } from '../../common/address.ts';
import { type Fault, FaultsError } from '../../common/errors.ts';
import { KIND_OF, LISTS } from '../../config/kinds.ts';
import type { ConfigSnapshot } from '../../config/snapshot.ts';
import type { Response } from '../core/protocol.ts';
import { type Document, readDocument, without } from './body.ts';
import { accept, type Context, show, viewsOf } from './context.ts';
import { adminView } from './process.ts';
import { HttpError } from '../../common/http-error.ts';
import { errorOfFaults, hideKeys, ok, text } from './respond.ts';
import type { Call, Route } from './router.ts';
import { sessionView } from './views.ts';

export function configRoutes(context: Context): Route[] {
  const { sink, sessions } = context;
  return [
    {
      path: '/api/v1/config',
      methods: {
        GET: async (call) => {
          if (call.query.get('format') === 'yaml') return yaml(await toYaml(ownConfig(context, sink.snapshot)));
          const view = viewsOf(context, call);
          return show(call, {
            ...context.plain(sink.snapshot),
            admin: adminView(context),
            sessions: [...sessions.list()].map((session) => sessionView(view, session)),
          });
        },
        POST: async (call) => {
          const document = await readDocument(context.parse, call.request, 'config');
          try {
            return await replaceConfig(context, call, document);
          } catch (error) {
            throw error instanceof FaultsError ? await located(context, document, error.faults) : error;
          }
        },
      },
    },
  ];
}

async function replaceConfig(context: Context, { query }: Call, document: Document): Promise<Response> {
  const { sink } = context;
  // What GET shows beside the configuration proper is passed over.
  const config = without(document.object, 'admin', 'sessions');
  const keys = Object.keys(config);
  if (keys.length > 0 && !keys.some((key) => (LISTS as readonly string[]).includes(key))) {
    // A misspelt body must not empty the proxy.
    throw new HttpError(400, `expected ${LISTS.join(', ')}; found ${keys.join(', ')}`);
  }
  const isDry = query.get('dry_run') === 'true';
  // Who asks what it would do wants to hear of a misspelt field, which `l7mp check` refuses.
  const { value, faults } = context.decodeConfig(config, !isDry && !context.strict);
  const decoded = accept(context, { value, faults: value ? faults : await document.locate(faults) });
  const merge = (current: ConfigSnapshot): ConfigSnapshot => {
    refuseManaged(current, decoded);
    return { ...decoded, admin: current.admin };
  };
  if (!isDry) {
    await sink.replace(merge);
    return ok();
  }
  const current = sink.snapshot;
  const next = merge(current);
  const doubts = await context.check(next);
  return show({ query } as Call, await changesOf(ownConfig(context, current), ownConfig(context, next), doubts));
}

async function located(context: Context, document: Document, faults: readonly Fault[]): Promise<HttpError> {
  return errorOfFaults(await document.locate(faults), context.strict);
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
  if (managed.length > 0) throw new FaultsError(managed);
}

/** The proxy's own objects as a file would hold them, each list that has some. */
function ownConfig({ plain }: Context, snapshot: ConfigSnapshot): Record<string, readonly Plain[]> {
  const all = plain(snapshot);
  return Object.fromEntries(
    LISTS.flatMap((collection) => {
      const own = (all[collection] as Plain[]).filter(
        ({ name }) => snapshot[collection].get(String(name))?.source === 'local',
      );
      return own.length === 0 ? [] : [[collection, own]];
    }),
  );
}

/** In the form of the control plane's answer to a dry run: warnings of what does not change stand beside the changes. */
async function changesOf(
  from: Record<string, readonly Plain[]>,
  to: typeof from,
  doubts: readonly Fault[],
): Promise<Plain> {
  const { textDifference } = await import('../../common/text-difference.ts');
  const changes: Plain[] = [];
  const others: Plain[] = [];
  for (const collection of LISTS) {
    const warningsOf = byName(doubts, collection, to[collection] ?? []);
    const [old, now] = [from, to].map((each) => new Map((each[collection] ?? []).map((item) => [item['name'], item])));
    for (const name of new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])])) {
      const key = { kind: KIND_OF[collection], name };
      const [before, after] = [old?.get(name), now?.get(name)];
      const warnings = warningsOf.get(String(name)) ?? [];
      if (before && JSON.stringify(before) === JSON.stringify(after)) {
        changes.push({ key, action: 'unchanged', warnings: [], diff: '' });
        if (warnings.length > 0) others.push({ key, warnings });
        continue;
      }
      const textOf = async (item: Plain | undefined) => item && (await toYaml({ [collection]: [item] }));
      const [was, is] = [await textOf(before), await textOf(after)];
      const action = was === undefined ? 'created' : is === undefined ? 'deleted' : 'updated';
      const diff = textDifference(`${key.kind}/${String(name)}`, was, is);
      changes.push({ key, action, warnings, diff });
    }
  }
  return { changes, warnings: others };
}

/** The doubts about objects of a collection, with paths in the object. Names may have dots: the longest that fits is meant. */
function byName(doubts: readonly Fault[], collection: string, objects: readonly Plain[]): Map<string, Fault[]> {
  const names = objects.map(({ name }) => String(name)).sort((one, other) => other.length - one.length);
  const found = new Map<string, Fault[]>();
  for (const doubt of doubts) {
    const name = names.find((each) => doubt.path.startsWith(`${collection}.${each}.`));
    if (name === undefined) continue;
    const own = found.get(name) ?? [];
    own.push({ ...doubt, path: doubt.path.slice(`${collection}.${name}.`.length) });
    found.set(name, own);
  }
  return found;
}

/** Loaded when it is asked for. */
async function toYaml(value: object): Promise<string> {
  const { stringify } = await import('yaml');
  return stringify(JSON.parse(JSON.stringify(value, hideKeys)), { lineWidth: 0 });
}

function yaml(body: string): Response {
  return text(200, body, 'text/x-yaml; charset=utf-8');
}
