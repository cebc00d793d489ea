/**
 * A relay of one TCP connection that the proxy's engine gives to the kernel and takes back, again and again.
 * `node splice-relay.js '{...}'` takes RelayOptions, and prints a RelayResult when it is done.
 */
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Flow } from '../../../dataplane/core/offload.ts';
import { parseObjectFile } from '../../../dataplane/kernel/object-file.ts';
import { SpliceEngine, type SpliceEvent } from '../../../dataplane/offload/splice-engine.ts';
import { ROOT } from '../contenders.ts';
import { monotonicMs } from '../monotonic.ts';

export interface RelayOptions {
  readonly port: number;
  readonly serverAddress: string;
  readonly serverPort: number;
  /** How often it goes in and comes back. */
  readonly rounds: number;
  /** It stays in user space: the times are those at which it would have moved. */
  readonly inUserSpace: boolean;
}

/** A hand-over, from its beginning to its end, by CLOCK_MONOTONIC in ms. */
export interface Move {
  readonly from: number;
  readonly to: number;
  /** Why it stayed where it was. */
  readonly refusal?: string;
}

export interface RelayResult {
  readonly intoKernel: readonly Move[];
  readonly back: readonly Move[];
}

/** Until windows of congestion have grown. */
const WARM_UP_MS = 1000;
/** Peers answer one question in 500 ms, and are asked once for each move. */
const STAY_MS = 600;
/** About as long as a real one takes. */
const PRETENDED_MS = 5;
const ID = 1;

const options = JSON.parse(process.argv[2] ?? '{}') as RelayOptions;
const engine = new SpliceEngine(parseObjectFile(readFileSync(join(ROOT, 'ebpf/tcp.bpf.o'))), { capacity: 16 });

function flowOf(socket: Socket): Flow {
  return {
    transport: 'tcp',
    local: { address: socket.localAddress ?? '', port: socket.localPort ?? 0 },
    remote: { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 },
  };
}

function accepted(): Promise<{ readonly client: Socket; readonly upstream: Socket }> {
  return new Promise((resolve) => {
    const server = createServer({ noDelay: true, pauseOnConnect: true }, (client) => {
      server.close();
      const upstream = connect({ host: options.serverAddress, port: options.serverPort, noDelay: true }, () => {
        client.pipe(upstream);
        upstream.pipe(client);
        client.resume();
        resolve({ client, upstream });
      });
    }).listen(options.port, '0.0.0.0');
  });
}

async function timed(move: () => Promise<string | undefined>): Promise<Move> {
  const from = monotonicMs();
  const refusal = options.inUserSpace ? await sleep(PRETENDED_MS, undefined) : await move();
  const to = monotonicMs();
  await sleep(STAY_MS);
  return { from, to, ...(refusal !== undefined && { refusal }) };
}

const sockets = await accepted();
const pair = {
  id: ID,
  client: flowOf(sockets.client),
  upstream: flowOf(sockets.upstream),
  sockets,
  settle: () => true,
};

async function goIn(): Promise<string | undefined> {
  const heard = new Promise<SpliceEvent>((resolve) => engine.onEvent((_, event) => resolve(event)));
  const refusal = engine.insert(pair);
  if (refusal) return refusal.message;
  const event = await heard;
  return event.kind === 'spliced' ? undefined : 'why' in event ? event.why.message : event.kind;
}

async function comeBack(): Promise<string | undefined> {
  const result = await engine.remove(ID);
  if (result && 'reason' in result) return result.message;
  return result ? undefined : 'expected a pair in the kernel, found none';
}

await sleep(WARM_UP_MS);
const intoKernel: Move[] = [];
const back: Move[] = [];
for (let round = 0; round < options.rounds; round++) {
  let move = await timed(goIn);
  intoKernel.push(move);
  if (move.refusal !== undefined) continue;
  do {
    move = await timed(comeBack);
    back.push(move);
  } while (move.refusal !== undefined);
}
const result: RelayResult = { intoKernel, back };
process.stdout.write(`${JSON.stringify(result)}\n`);
engine.close();
for (const socket of Object.values(sockets)) socket.destroy();
