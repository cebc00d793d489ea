/** `l7mp explain KIND/NAME`: for which proxies an object is, and how it fares in each. */
import type { GetResponse, Object as ConfigObject, ObjectKey, Proxy } from '../../gen/messages.ts';
import { typeUrlOf, WIRE_KINDS } from '../../config/wire-kinds.ts';
import { formatTable } from '../table.ts';
import { type ServerOptions, withControlPlane } from './client.ts';
import { formatObjectFault } from './errors.ts';
import { stateOf } from '../../controlplane/model/object-state.ts';
import { toJson } from '../../controlplane/model/object-text.ts';
import { ageOf, formatSelector, progressOf, rolloutOf } from './format.ts';
import { formatKey, parseKey } from './kinds.ts';
import { listProxies } from './status.ts';

export async function explainObject(word: string, options: ServerOptions): Promise<void> {
  const key = parseKey(word);
  await withControlPlane(options, async (controlPlane) => {
    const { object } = await controlPlane.call<GetResponse>('Get', { key });
    if (object === undefined) return;
    const proxies = await listProxies(controlPlane, { key });
    if (options.json) console.log(JSON.stringify(toJson({ object, proxies }), null, 2));
    else process.stdout.write(describe(object, proxies));
  });
}

function describe(object: ConfigObject, proxies: readonly Proxy[]): string {
  const { key, selector, source, version, revision, changed_at: changedAt, status } = object;
  const ago = changedAt === undefined ? '' : `, changed ${ageOf(changedAt)} ago`;
  const lines = [
    `object     ${formatKey(key)}`,
    `status     ${stateOf(object)}, in ${progressOf(object)} proxies`,
    `for        ${formatSelector(selector)}`,
    `version    ${version}, from ${source}${revision === 0 ? '' : `, revision ${revision}`}${ago}`,
    ...(status?.rollout ? [`rollout    ${status.rollout.id}, ${rolloutOf(object)}${why(status.rollout.reason)}`] : []),
    ...(status?.shadowed_by ? [`shadowed   that of ${status.shadowed_by} counts`] : []),
    ...(status?.faults ?? []).map((fault) => `fault      ${formatObjectFault(key, fault)}`),
    ...(status?.warnings ?? []).map((fault) => `warning    ${formatObjectFault(key, fault)}`),
  ];
  // By a rollout some have another version than others.
  const given = status?.rollout ? ['VERSION'] : [];
  const rows = proxies.map(({ id, fate }) => [
    id,
    ...given.map(() => versionIn(object, fate)),
    STATES[fate?.state ?? ''] ?? '-',
    (fate?.reason ?? '').replaceAll('\n', ' '),
  ]);
  const table =
    rows.length === 0
      ? 'no proxy that it is for is connected\n'
      : formatTable(['PROXY', ...given, 'STATUS', 'REASON'], rows);
  return `${lines.join('\n')}\n\n${table}`;
}

function versionIn({ version }: ConfigObject, fate: Proxy['fate']): string {
  if (!fate?.version) return '-';
  return `${fate.version} (${fate.version === version ? 'old' : 'new'})`;
}

function why(reason: string): string {
  return reason === '' ? '' : ` (${reason})`;
}

/** How it fares in one proxy, in the words of `stateOf`. */
const STATES: Readonly<Record<string, string>> = {
  pending: 'Pending',
  acked: 'Programmed',
  serving: 'Serving',
  NACK: 'Refused',
  failed: 'Failed',
  waiting: 'Waiting',
  removed: 'Removed',
};

export function typeUrlFor(key: ObjectKey | undefined): string {
  const kind = WIRE_KINDS.find((each) => each === key?.kind);
  return kind === undefined ? (key?.kind ?? '') : typeUrlOf(kind);
}
