/** A relay of one UDP session with the engine beside it: `engine-process.ts PAIR ATTACHMENT`; commands come in as lines. */
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { createInterface } from 'node:readline';
import type { Flow, FlowPair } from '../../../../dataplane/core/offload.ts';
import { openOffloadEngine } from '../../../../dataplane/offload/index.ts';

const pair = JSON.parse(process.argv[2] ?? '') as FlowPair;
const engine = await openOffloadEngine({ attachment: process.argv[3] as 'tcx' | 'clsact' });
if ('reason' in engine) throw new Error(engine.message);

function say(what: unknown): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

async function open({ local, remote }: Flow): Promise<Socket> {
  const socket = createSocket(isIPv6(local.address) ? 'udp6' : 'udp4');
  await new Promise<void>((done) => socket.bind(local.port, local.address, done));
  await new Promise<void>((done) => socket.connect(remote.port, remote.address, () => done()));
  socket.on('error', () => undefined);
  return socket;
}

const client = await open(pair.client);
const upstream = await open(pair.upstream);
let relayed = 0;
client.on('message', (message) => {
  relayed++;
  upstream.send(message);
});
upstream.on('message', (message) => client.send(message));
engine.onEvicted((id, traffic, why) => say({ evicted: id, traffic, why }));
say({ attachment: engine.attachment });
for await (const command of createInterface(process.stdin)) {
  if (command === 'insert') say(engine.insert(pair) ?? {});
  else if (command === 'remove') say(engine.remove(pair.id) ?? {});
  else if (command === 'read') say(engine.read().get(pair.id) ?? {});
  else say({ relayed, ...engine.stats });
}
engine.close();
client.close();
upstream.close();
