/**
 * One TCP connection at a steady rate from a generator that sleeps in between, and the time that the whole machine works
 * meanwhile. `node tcp-steady.js '{...}'` takes SteadyOptions and prints a SteadyResult.
 */
import { cpuSeconds, measureBusy } from '../cpu.ts';
import { countKernelSessions, untilInKernel } from '../kernel-sessions.ts';
import { read, write } from './syscalls.ts';
import { connectEnds, type TcpPlaces } from './tcp-ends.ts';

export interface SteadyOptions extends TcpPlaces {
  /** Bits a second. */
  readonly rate: number;
  /** How long it is measured: the kernel counts idleness in 10 ms. */
  readonly milliseconds: number;
  /** What relays it. */
  readonly proxyPid?: number;
  /** Nothing is measured before the proxy in this namespace has given it to the kernel. */
  readonly offloadedIn?: string;
}

export interface SteadyResult {
  /** Seconds that CPUs were not idle, for one Gbit. */
  readonly busy: number;
  /** Seconds that the proxy's process ran in one. */
  readonly proxy: number;
}

const PAUSE_MS = 1;
const WARM_UP_MS = 1000;
const LOOK_MS = 200;
/** Less comes through only where what is offered is too much. */
const LEAST = 0.95;

const options = JSON.parse(process.argv[2] ?? '{}') as SteadyOptions;
const { client, server } = connectEnds(options);
const block = Buffer.alloc(64 * 1024, 'b');
const sink = Buffer.alloc(1024 * 1024);
const sleeper = new Int32Array(new SharedArrayBuffer(4));

function proxySeconds(): number {
  return options.proxyPid === undefined ? 0 : cpuSeconds(options.proxyPid);
}

function run(milliseconds: number): SteadyResult & { readonly received: number } {
  const busy = measureBusy();
  const proxy = proxySeconds();
  const start = performance.now();
  let sent = 0;
  let received = 0;
  let elapsed = 0;
  while (elapsed < milliseconds) {
    Atomics.wait(sleeper, 0, 0, PAUSE_MS);
    elapsed = performance.now() - start;
    for (let due = (elapsed * options.rate) / 8000 - sent; due >= block.length;) {
      const length = write(client, block, block.length);
      if (length <= 0) break;
      sent += length;
      due -= length;
    }
    for (let length = 1; length > 0; received += Math.max(0, length)) length = read(server, sink, sink.length);
  }
  const gigabits = (received * 8) / 1e9;
  return { received, busy: busy() / gigabits, proxy: ((proxySeconds() - proxy) * 1000) / elapsed };
}

run(WARM_UP_MS);
if (options.offloadedIn !== undefined) {
  const { offloadedIn } = options;
  await untilInKernel(
    1,
    () => countKernelSessions(offloadedIn),
    () => void run(LOOK_MS),
  );
  run(LOOK_MS);
}
const { received, ...result } = run(options.milliseconds);
const expected = (options.rate / 8000) * options.milliseconds;
if (received < expected * LEAST) {
  throw new Error(`expected ${expected} bytes to come through in ${options.milliseconds} ms, found ${received}`);
}
process.stdout.write(`${JSON.stringify(result satisfies SteadyResult)}\n`);
