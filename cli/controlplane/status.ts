/** `l7mp status`: the proxies of the control plane, and how its objects fare in them. */
import type {
  FileFaults,
  ListProxiesResponse,
  ListResponse,
  Object as ConfigObject,
  Proxy,
} from '../../gen/messages.ts';
import { formatTable } from '../table.ts';
import { type ControlPlane, type ServerOptions, withControlPlane } from './client.ts';
import { formatObjectFault } from './errors.ts';
import { toJson } from '../../controlplane/model/object-text.ts';
import { ageOf } from './format.ts';
import { OBJECT_HEADER, objectRow } from './get.ts';
import { formatKey } from './kinds.ts';
import { listPages } from './pages.ts';

export async function status(options: ServerOptions): Promise<void> {
  await withControlPlane(options, async (controlPlane) => {
    const files: FileFaults[] = [];
    const objectsOf = ({ objects: found, files: bad }: ListResponse): readonly ConfigObject[] => {
      files.push(...bad);
      return found;
    };
    const [proxies, objects] = await Promise.all([
      listProxies(controlPlane),
      listPages(controlPlane, 'List', {}, objectsOf),
    ]);
    if (options.json) console.log(JSON.stringify(toJson({ proxies, objects, files }), null, 2));
    else process.stdout.write(`${proxyTable(proxies)}\n${objectTable(objects)}${troubles(proxies, objects, files)}`);
  });
}

/** The proxies that a selector selects; without one, all. */
export async function listProxies(controlPlane: ControlPlane, request: object = {}): Promise<Proxy[]> {
  return listPages(controlPlane, 'ListProxies', request, ({ proxies }: ListProxiesResponse) => proxies);
}

function proxyTable(proxies: readonly Proxy[]): string {
  const rows = proxies.map(({ id, address, agent, types, faults, labels, connected_at: connectedAt }) => {
    const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
    const count = faults.filter(({ kind }) => kind !== 'waiting').length;
    return [id, syncOf(types), String(count), address, agent, pairs.join(','), ageOf(connectedAt)];
  });
  return formatTable(['PROXY', 'SYNC', 'FAULTS', 'ADDRESS', 'AGENT', 'LABELS', 'AGE'], rows);
}

/** `NACK` after a refusal, `Pending` while something is on its way. */
function syncOf(types: Proxy['types']): string {
  if (types.some(({ nack }) => nack !== '')) return 'NACK';
  return types.every(({ synced }) => synced) ? 'Synced' : 'Pending';
}

function objectTable(objects: readonly ConfigObject[]): string {
  return formatTable(OBJECT_HEADER, objects.map(objectRow));
}

/** What is wrong, in words. */
function troubles(proxies: readonly Proxy[], objects: readonly ConfigObject[], files: readonly FileFaults[]): string {
  const sources = new Set(objects.map(({ source }) => source));
  const lines = [
    // Where a file has objects yet, they have its faults.
    ...files
      .filter(({ file }) => !sources.has(`file:${file}`))
      .flatMap(({ faults }) => faults.map((fault) => formatObjectFault(undefined, fault))),
    ...objects.flatMap(({ key, status: found }) => [
      ...(found?.faults.map((fault) => formatObjectFault(key, fault)) ?? []),
      ...(found?.warnings.map((fault) => `warning: ${formatObjectFault(key, fault)}`) ?? []),
      ...(found?.shadowed_by ? [`${formatKey(key)}: that of ${found.shadowed_by} counts`] : []),
    ]),
    ...proxies.flatMap(({ id, faults }) =>
      faults.map(({ type_url, name, kind, message }) => {
        const short = type_url.replace('type.googleapis.com/l7mp.config.v1.', '');
        return `${id}: ${short}/${name}: ${kind}: ${message}`;
      }),
    ),
  ];
  return lines.length === 0 ? '' : `\n${lines.join('\n')}\n`;
}
