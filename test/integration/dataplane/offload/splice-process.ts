/** A relay of TCP connections with the engine that splices them: `splice-process.ts PLACES [SPLICE_OPTIONS]`; commands come in as lines. */
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { Flow } from '../../../../dataplane/core/offload.ts';
import { createTcxLink, loadProgram } from '../../../../dataplane/kernel/bpf.ts';
import { parseObjectFile } from '../../../../dataplane/kernel/object-file.ts';
import { SpliceEngine } from '../../../../dataplane/offload/splice-engine.ts';
import { interfaceIndex } from '../../../../dataplane/sockets/native/libc.ts';

const places = JSON.parse(process.argv[2] ?? '') as {
  listen: string;
  port: number;
  server: string;
  serverPort: number;
};
const engine = new SpliceEngine(parseObjectFile(readFileSync('ebpf/tcp.bpf.o')), {
  capacity: 1024,
  ...(JSON.parse(process.argv[3] ?? '{}') as object),
});

function say(what: unknown): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

function flowOf(socket: Socket): Flow {
  return {
    transport: 'tcp',
    local: { address: socket.localAddress ?? '', port: socket.localPort ?? 0 },
    remote: { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 },
  };
}

/** Loses one packet of `share`, before others see it: bpf_get_prandom_u32() % share ? TC_ACT_UNSPEC : TC_ACT_SHOT. */
function lose(share: number): void {
  const rest = Buffer.alloc(4);
  rest.writeUInt32LE(share);
  const program = `8500000007000000 97000000${rest.toString('hex')} 1500020000000000 b7000000ffffffff 9500000000000000
    b700000002000000 9500000000000000`;
  const fd = loadProgram('lose', Buffer.from(program.replace(/\s/gu, ''), 'hex'));
  for (const device of ['to-client', 'to-server']) createTcxLink(fd, interfaceIndex(device));
}

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
  readonly relayed: { fromClient: number; fromUpstream: number };
}

const pairs: Pair[] = [];
let errors = 0;

const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
  const upstream = connect({ host: places.server, port: places.serverPort, allowHalfOpen: true }, () => {
    const relayed = { fromClient: 0, fromUpstream: 0 };
    pairs.push({ client, upstream, relayed });
    client.on('data', (data) => (relayed.fromClient += data.length));
    upstream.on('data', (data) => (relayed.fromUpstream += data.length));
    client.pipe(upstream);
    upstream.pipe(client);
    client.resume();
    say({ connected: pairs.length - 1 });
  });
  for (const [one, two] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    one.on('error', () => {
      errors++;
      two.resetAndDestroy();
    });
  }
});

engine.onEvent((id, event) => say({ id, ...event }));
server.listen(places.port, places.listen, () => say({ listening: true }));

for await (const line of createInterface(process.stdin)) {
  const [command, word = '0'] = line.split(' ');
  const id = Number(word);
  const pair = pairs[id];
  if ((command === 'insert' || command === 'breakOff') && pair) {
    const { client, upstream } = pair;
    const ends = { client: flowOf(client), upstream: flowOf(upstream) };
    const answer = engine.insert({ id, ...ends, sockets: { client, upstream }, settle: () => true });
    if (command === 'breakOff') await engine.remove(id);
    say({ answer: answer ?? {} });
  } else if (command === 'remove') say({ answer: (await engine.remove(id)) ?? {} });
  else if (command === 'abandon') say({ answer: engine.abandon(id) ?? {} });
  else if (command === 'lose') {
    lose(id);
    say({ answer: {} });
  } else if (command === 'evicted') {
    // As soon as the engine gives it back by itself, it is asked for, too; again where that has to wait.
    const entries = Reflect.get(engine, 'entries') as Map<number, { readonly returning?: unknown }>;
    let answer: Awaited<ReturnType<SpliceEngine['remove']>>;
    do {
      await delay(300);
      engine.read();
      answer = entries.get(id)?.returning ? await engine.remove(id) : { reason: 'state', message: 'it stays' };
    } while (answer && 'reason' in answer);
    say({ answer: answer ?? {} });
  } else if (command === 'unlisten') {
    server.close();
    say({ answer: {} });
  } else if (command === 'read') say({ answer: engine.read().get(id) ?? {} });
  else say({ answer: { state: engine.stateOf(id), relayed: pair?.relayed, errors, ...engine.stats } });
}
engine.close();
server.close();
for (const { client, upstream } of pairs) {
  client.destroy();
  upstream.destroy();
}
