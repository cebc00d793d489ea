/** `l7mp explain KIND/NAME`: for which proxies an object is, and how it fares in each. */
import type { GetResponse, Object as ConfigObject, ObjectKey, Proxy } from '../../gen/messages.ts';
import { typeUrlOf, WIRE_KINDS } from '../../config/wire-kinds.ts';
import { formatTable } from '../table.ts';
import { type ServerOptions, withControlPlane } from './client.ts';
import { formatObjectFault } from './errors.ts';
import { ageOf, formatSelector, progressOf, rolloutOf, stateOf, toJson } from './format.ts';
import { formatKey, parseKey } from './kinds.ts';
import { listProxies } from './status.ts';

export async function explainObject(word: string, options: ServerOptions): Promise<void> {
  const key = parseKey(word);
  await withControlPlane(options, async (controlPlane) => {
    const { object } = await controlPlane.call<GetResponse>('Get', { key });
    if (object === undefined) return;
    const { selector } = object;
    const proxies = await listProxies(controlPlane, { ...(selector && { selector }) });
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
  const rows = proxies.map((proxy) => [proxy.id, ...fateOf(object, proxy)]);
  const table =
    rows.length === 0 ? 'no proxy that it is for is connected\n' : formatTable(['PROXY', 'STATUS', 'REASON'], rows);
  return `${lines.join('\n')}\n\n${table}`;
}

function why(reason: string): string {
  return reason === '' ? '' : ` (${reason})`;
}

/** The states of faults, by their kinds. */
const STATES: Readonly<Record<string, string>> = { NACK: 'Refused', waiting: 'Waiting' };

/** How it fares in one proxy, and why. */
function fateOf({ key, status }: ConfigObject, { id, types, faults }: Proxy): [state: string, reason: string] {
  const typeUrl = typeUrlFor(key);
  const fault =
    status?.failed.find(({ proxy }) => proxy === id) ??
    faults.find((each) => each.type_url === typeUrl && each.name === key?.name);
  if (fault !== undefined) return [STATES[fault.kind] ?? 'Failed', fault.message.replaceAll('\n', ' ')];
  if (!status?.accepted) return ['-', 'it is not valid: what was there before stays'];
  if (status.serving >= status.selected) return ['Serving', ''];
  const type = types.find((each) => each.type_url === typeUrl);
  if (type === undefined) return ['Pending', 'it has not subscribed to these'];
  return type.synced ? ['Programmed', ''] : ['Pending', 'it has not answered yet'];
}

export function typeUrlFor(key: ObjectKey | undefined): string {
  const kind = WIRE_KINDS.find((each) => each === key?.kind);
  return kind === undefined ? (key?.kind ?? '') : typeUrlOf(kind);
}
