/**
 * UDP at a steady rate from a generator that sleeps in between, and the time that the whole machine works meanwhile.
 * `node udp-steady.js '{...}'` takes SteadyOptions and prints a SteadyResult.
 */
import { measureBusy } from '../cpu.ts';
import { median } from '../report.ts';
import { TRAIN, UdpEnds, type UdpPlaces } from './udp-ends.ts';

export interface SteadyOptions extends UdpPlaces {
  /** Packets a second. */
  readonly rate: number;
  /** How often it is measured, for WINDOW_MS each. */
  readonly windows: number;
}

export interface SteadyResult {
  readonly sent: number;
  readonly received: number;
  /** What CPUs that were not idle took for one packet, in us: the median of the windows, as others may work now and then. */
  readonly busy: number;
}

interface Window {
  readonly sent: number;
  readonly received: number;
  readonly busy: number;
}

const PAUSE_MS = 1;
const FIRST_PORT = 19_000;
const WARM_UP_MS = 500;
const WINDOW_MS = 1000;

const options = JSON.parse(process.argv[2] ?? '{}') as SteadyOptions;
const ends = new UdpEnds(options);
const { server, arrivals, train } = ends;
const client = ends.openFlow(FIRST_PORT);
const sleeper = new Int32Array(new SharedArrayBuffer(4));

function run(milliseconds: number): Window {
  const busy = measureBusy();
  const start = performance.now();
  let sent = 0;
  let received = 0;
  let elapsed = 0;
  while (elapsed < milliseconds) {
    Atomics.wait(sleeper, 0, 0, PAUSE_MS);
    elapsed = performance.now() - start;
    for (let due = (elapsed * options.rate) / 1000 - sent; due >= TRAIN; due -= TRAIN) {
      sent += train.send(client, 0, 1) * TRAIN;
    }
    for (let count = 1; count > 0; received += count) count = arrivals.receive(server);
  }
  return { sent, received, busy: (busy() / sent) * 1e6 };
}

run(WARM_UP_MS);
await ends.warmUp(FIRST_PORT, 1, run);
const windows = Array.from({ length: options.windows }, () => run(WINDOW_MS));
const result: SteadyResult = {
  sent: windows.reduce((sum, { sent }) => sum + sent, 0),
  received: windows.reduce((sum, { received }) => sum + received, 0),
  busy: median(windows.map(({ busy }) => busy)),
};
process.stdout.write(`${JSON.stringify(result)}\n`);
