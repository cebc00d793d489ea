/** Pairs on lo that are pinned, of which one loses a flow: says what the next engines find as one line of JSON. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { silentLogger } from '../../../support/doubles.ts';
import type { FlowPair, OffloadEngine } from '../../../../dataplane/core/offload.ts';
import { MAP_HASH, MapReader, MapWriter } from '../../../../dataplane/kernel/bpf.ts';
import { openOffloadEngine } from '../../../../dataplane/offload/index.ts';
import { FlowTable } from '../../../../dataplane/offload/flow-table.ts';
import { KEY, keyOf, layoutVersion } from '../../../../dataplane/offload/layout.ts';
import { openPinFolder } from '../../../../dataplane/offload/pin-folder.ts';
import { NOTE } from '../../../support/session-note.ts';

const [folder = ''] = process.argv.slice(2);
const CAPACITY = 10;
const pins = { folder, id: 'one', log: silentLogger };

async function openEngine(): Promise<OffloadEngine> {
  const engine = await openOffloadEngine({ capacity: CAPACITY, pins });
  if ('reason' in engine) throw new Error(engine.message);
  return engine;
}

const place = (port: number): FlowPair['client']['local'] => ({ address: '127.0.0.1', port });
const pairOf = (id: number): FlowPair => ({
  id,
  client: { transport: 'udp', local: place(5000), remote: place(7000 + id) },
  upstream: { transport: 'udp', local: place(8000 + id), remote: place(9000) },
  note: { ...NOTE, name: `session ${id}` },
});

/** Whether another socket can have the port of this pair's session. */
async function isFree(id: number): Promise<boolean> {
  const { address, port } = pairOf(id).upstream.local;
  const socket = createSocket('udp4');
  try {
    socket.bind(port, address);
    await once(socket, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    socket.close();
  }
}

const first = await openEngine();
const refusals = [1, 2].map((id) => first.insert(pairOf(id))).filter((refusal) => refusal !== undefined);
if (refusals.length > 0) throw new Error(JSON.stringify(refusals));
first.close();

// As where the process ended in between.
const own = await openPinFolder(pins, layoutVersion(CAPACITY));
const slots = {
  type: MAP_HASH,
  name: 'l7mp_slots',
  keySize: KEY.size,
  valueSize: 4,
  entries: Math.ceil(2.5 * CAPACITY),
};
const map = own.map('slots', slots);
new MapWriter(map, KEY.size, 4).delete(keyOf(pairOf(1).client));
own.close(true);

const second = await openEngine();
const taken = second.kept?.left ?? [];
const { flows } = second.stats;
const left = new MapReader(map, KEY.size, 4).keys().length;
const free = [await isFree(1), await isFree(2)];
for (const { id } of taken) second.remove(id);
free.push(await isFree(2));

const opening = openEngine();
await setTimeout(200); // it finds the folder locked
second.close();
const third = await opening;
const again = [...(third.kept?.left ?? [])];
third.insert(pairOf(3));
third.close();

// As where the kernel fails to say what it has counted.
const table = Object.getOwnPropertyDescriptor(FlowTable.prototype, 'count') ?? {};
FlowTable.prototype.count = () => {
  throw new Error('no counters');
};
const failed = await openOffloadEngine({ capacity: CAPACITY, pins });
Object.defineProperty(FlowTable.prototype, 'count', table);
const failure = 'reason' in failed ? failed.message : '';
const fourth = await openEngine();
again.push(...(fourth.kept?.left ?? []));
fourth.close();
const names = taken.map(({ note }) => note.name);
process.stdout.write(
  JSON.stringify({ taken: names, flows, slots: left, free, failure, again, folders: readdirSync(folder) }),
);
