/** One control plane, a fleet of clients of another process, and what it takes until all of them know. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { JsonProcess } from '../../support/json-process.ts';
import { ROOT } from '../contenders.ts';
import { median } from '../report.ts';
import { peakKb } from '../resident.ts';

export interface FleetOptions {
  /** The command of a server that is told what to serve. */
  readonly server: readonly string[];
  /** Proxies that read and acknowledge, each on a connection of its own. */
  readonly proxies: number;
  /** Proxies beside them that never read. */
  readonly slow?: number;
  readonly resources: number;
  /** Names that each proxy subscribes to; 0: the wildcard. */
  readonly names: number;
  /** How many times one resource changes. */
  readonly changes: number;
  /** Whether all connect again, while one resource has changed. */
  readonly reconnect?: boolean;
}

export interface FleetResult {
  /** From the first connection to the last proxy that has acknowledged all that it subscribes to. */
  readonly firstStateMs: number;
  /** From a change to the last acknowledgement of it: the median of the changes. */
  readonly lastAckMs: number;
  /** From the first connection to the last proxy that has acknowledged what changed meanwhile. */
  readonly reconnectMs: number;
  /** Of the server, at the highest. */
  readonly peakMb: number;
  /** Of the server, for one change. */
  readonly changeCpuMs: number;
}

/** When all proxies had reached what was waited for: ms since the epoch. */
interface Reached {
  readonly started: number;
  readonly last: number;
  /** Streams that the server has ended. */
  readonly reconnects: number;
}

/** How many resources a proxy names where it doesn't take all. */
export const NAMES = 51;

const TYPE_URL = 'type.googleapis.com/bench.Opaque';
/** Of one resource, in bytes. */
const SIZE = 200;
const TIMEOUT_MS = 180_000;

/** Measures one server. Nothing is pinned: two cores are what server and clients share. */
export async function measureFleet(options: FleetOptions): Promise<FleetResult> {
  const { proxies, slow = 0, resources, names, changes, reconnect = false } = options;
  const server = new JsonProcess(options.server);
  let load: JsonProcess | undefined;
  try {
    const { port } = await server.next<{ port: number }>('listening');
    await server.ask({ op: 'fill', type_url: TYPE_URL, count: resources, size: SIZE }, 'done', TIMEOUT_MS);
    const counts = { streams: proxies, slow, names, resources };
    const flags = Object.entries(counts).flatMap(([name, value]) => [`-${name}`, String(value)]);
    const where = ['-address', `127.0.0.1:${port}`, '-type-url', TYPE_URL];
    const clients = new JsonProcess([join(ROOT, '.cache/gobin/xds-load'), ...where, ...flags]);
    load = clients;
    const first = await clients.next<Reached>('first-state', TIMEOUT_MS);

    let revision = 0;
    const touch = async (): Promise<number> => {
      const marker = `resource-000000:${++revision}:`;
      await clients.ask({ op: 'expect', marker }, 'expecting', TIMEOUT_MS);
      const command = { op: 'touch', type_url: TYPE_URL, index: 0, size: SIZE, revision };
      return (await server.ask<{ at: number }>(command, 'done', TIMEOUT_MS)).at;
    };
    let ended = first.reconnects;
    const seen = async (): Promise<number> => {
      const { last, reconnects } = await clients.next<Reached>('seen', TIMEOUT_MS);
      ended = reconnects;
      return last;
    };
    const durations: number[] = [];
    const cpuBefore = cpuMs(server.pid);
    for (let change = 0; change < changes; change++) {
      const at = await touch();
      durations.push((await seen()) - at);
    }
    const changeCpuMs = (cpuMs(server.pid) - cpuBefore) / changes;

    let reconnectMs = NaN;
    if (reconnect) {
      await clients.ask({ op: 'disconnect' }, 'disconnected', TIMEOUT_MS);
      await touch();
      const { at } = await clients.ask<{ at: number }>({ op: 'connect' }, 'connecting', TIMEOUT_MS);
      reconnectMs = (await seen()) - at;
    }
    if (ended > 0) throw new Error(`the server has ended ${ended} streams`);
    return {
      firstStateMs: first.last - first.started,
      lastAckMs: median(durations),
      reconnectMs,
      peakMb: peakKb(server.pid) / 1024,
      changeCpuMs,
    };
  } finally {
    await load?.stop();
    await server.stop();
  }
}

/** Processor time of a process, in ms (proc(5): fields 14 and 15, in ticks of 10 ms). */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
