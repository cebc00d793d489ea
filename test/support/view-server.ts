/**
 * Our discovery service in a process of its own, on a view with whatever it is told to have: commands come, and events go,
 * as lines of JSON, the same as those of test/gobin/xds/xds-server. Argument: the port; 0, the default, is any.
 */
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import type { Catalog } from '../../controlplane/core/catalog.ts';
import type { NodeEvent, Resource } from '../../controlplane/core/resource.ts';
import { createGrpcServer, type GrpcServer } from '../../controlplane/rpc/server.ts';
import { createDiscoveryService } from '../../controlplane/xds/service.ts';
import { createView } from '../../controlplane/xds/view.ts';
import { silentLogger } from './doubles.ts';

/** What it is told, by `op`. */
interface Command {
  /**
   * `set`: a type has these resources and no others; `update`: it has these, too; `change`: resources of all types and
   * removals at once; `remove`; `fill`: many of one size; `touch`: one of those changes; `end-streams`; `counts`.
   */
  readonly op: string;
  readonly type_url: string;
  readonly resources?: readonly GivenResource[];
  readonly removed?: readonly { readonly type_url: string; readonly name: string }[];
  readonly names?: readonly string[];
  readonly count?: number;
  readonly size?: number;
  readonly index?: number;
  readonly revision?: number;
}

export interface GivenResource {
  readonly name: string;
  /** Base64. */
  readonly value: string;
  /** Default: the command's. */
  readonly type_url?: string;
  /** See `Resource.companion`. */
  readonly companion?: { readonly type_url: string; readonly name: string };
}

interface Count {
  acks: number;
  nacks: number;
  message: string;
  variant: string;
}

const view = createView();
const counts = new Map<string, Count>();
const variants = new Map<string, string>();

const catalog: Catalog = {
  attach: (node) => {
    variants.set(node.id, node.variant);
    return view;
  },
  detach: (id) => void variants.delete(id),
  onMove: () => undefined,
  observe: note,
};

function note(event: NodeEvent): void {
  if (event.type !== 'ack' && event.type !== 'nack') return;
  const count = counts.get(event.typeUrl) ?? { acks: 0, nacks: 0, message: '', variant: '' };
  counts.set(event.typeUrl, count);
  count.variant = variants.get(event.id) ?? '';
  if (event.type === 'ack') count.acks++;
  else {
    count.nacks++;
    count.message = event.message;
  }
}

function serve(): GrpcServer {
  return createGrpcServer({
    services: [createDiscoveryService({ catalog, identifier: 'test', log: silentLogger })],
    log: silentLogger,
    authenticate: () => ({ name: 'test', admin: false, reader: false, nodes: ['*'] }),
    limits: { maxStreamsPerConnection: 100_000, maxConnections: 20_000 },
  });
}

function resourceOf(typeUrl: string, name: string, value: Buffer, companion?: GivenResource['companion']): Resource {
  const version = createHash('sha256').update(value).digest('hex').slice(0, 16);
  const key = companion && { typeUrl: companion.type_url, name: companion.name };
  return { typeUrl, name, version, value, ...(key && { companion: key }) };
}

const nameOf = (index: number): string => `resource-${String(index).padStart(6, '0')}`;

/** What test/gobin/xds/xds-server makes, too: the same content for both. */
function filler(typeUrl: string, index: number, revision: number, size: number): Resource {
  const name = nameOf(index);
  return resourceOf(typeUrl, name, Buffer.from(`${name}:${revision}:`.padEnd(size, 'x')));
}

function change({ op, type_url, resources = [], removed = [], names = [], ...numbers }: Command): void {
  const { count = 0, size = 0, index = 0, revision = 0 } = numbers;
  const upsert = resources.map((each) =>
    resourceOf(each.type_url ?? type_url, each.name, Buffer.from(each.value, 'base64'), each.companion),
  );
  const absent = (kept: readonly Resource[]): readonly string[] => {
    const keeps = new Set(kept.map(({ name }) => name));
    return [...view.resources(type_url).keys()].filter((name) => !keeps.has(name));
  };
  const keys = (gone: readonly string[]): { typeUrl: string; name: string }[] =>
    gone.map((name) => ({ typeUrl: type_url, name }));
  switch (op) {
    case 'set':
      view.apply({ upsert, remove: keys(absent(upsert)) });
      break;
    case 'update':
      view.apply({ upsert, remove: [] });
      break;
    case 'change':
      view.apply({ upsert, remove: removed.map((each) => ({ typeUrl: each.type_url, name: each.name })) });
      break;
    case 'remove':
      view.apply({ upsert: [], remove: keys(names) });
      break;
    case 'fill': {
      const all = Array.from({ length: count }, (_, each) => filler(type_url, each, 0, size));
      view.apply({ upsert: all, remove: keys(absent(all)) });
      break;
    }
    case 'touch':
      view.apply({ upsert: [filler(type_url, index, revision, size)], remove: [] });
      break;
    default:
      throw new Error(`there is no command ${op}`);
  }
}

function say(event: object): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

let server = serve();
const { port } = await server.listen({ host: '127.0.0.1', port: Number(process.argv[2] ?? 0) });
say({ event: 'listening', port });
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as Command;
  const at = performance.timeOrigin + performance.now();
  if (command.op === 'counts') say({ event: 'counts', types: Object.fromEntries(counts) });
  else {
    if (command.op === 'end-streams') {
      await server.close(0);
      server = serve();
      await server.listen({ host: '127.0.0.1', port });
    } else change(command);
    say({ event: 'done', at });
  }
}
await server.close(0);
