/**
 * UDP load: generator, sink and echo server in one process, so that nothing but the proxy competes with it.
 * `node udp.js '{...}'` takes UdpOptions and prints a UdpResult.
 */
import { Samples } from './samples.ts';
import { close, MessageBatch } from './syscalls.ts';
import { PAYLOAD, TRAIN, UdpEnds, type UdpPlaces } from './udp-ends.ts';

export interface UdpOptions extends UdpPlaces {
  /** Flows of each search. */
  readonly flows: readonly number[];
  /** How long one trial of the search lasts, and how many there are. */
  readonly trialMs: number;
  readonly trials: number;
  /** Packets a second when the generator gives all. */
  readonly blastRate: number;
  /** Echoes a second for the latency; absent: a quarter of the first search's result, as each passes twice. */
  readonly echoRate?: number;
  readonly echoMs: number;
}

export interface UdpRate {
  /** The highest rate at which at most LOSS was lost, packets/s. */
  readonly top: number;
  /** What came through of a full blast, and what was offered then, packets/s. */
  readonly blast: number;
  readonly offered: number;
}

export interface UdpResult {
  /** By number of flows. */
  readonly rates: Readonly<Record<string, UdpRate>>;
  readonly echoRate: number;
  /** Of the echoes, from 0 to 1. */
  readonly echoLoss: number;
  /** Microseconds. */
  readonly p50: number;
  readonly p99: number;
}

const LOSS = 0.02;
const FIRST_PORT = 20_000;
const ECHO_PORT = FIRST_PORT - 1;
/** Of echoes, and of flows before the search: sessions are made, and code gets warm. */
const WARM_UP_MS = 500;
const WARM_UP_RATE = 20_000;
/** How long after the last packet no more is expected. */
const QUIET_MS = 15;

const options = JSON.parse(process.argv[2] ?? '{}') as UdpOptions;

const ends = new UdpEnds(options);
const { server, arrivals, train } = ends;

function openFlows(count: number): number[] {
  return Array.from({ length: count }, (_, index) => ends.openFlow(FIRST_PORT + index));
}

interface Trial {
  readonly sent: number;
  readonly received: number;
  readonly seconds: number;
}

/** Offers `rate` packets a second for `milliseconds`, the flows taking turns. */
function offer(flows: readonly number[], rate: number, milliseconds: number): Trial {
  receiveAll();
  const start = performance.now();
  let elapsed = 0;
  let sent = 0;
  let received = 0;
  for (let turn = 0; elapsed < milliseconds;) {
    elapsed = performance.now() - start;
    const due = Math.min(64, (elapsed * rate) / 1000 - sent);
    for (let left = due; left >= TRAIN; left -= TRAIN) {
      sent += train.send(flows[turn++ % flows.length] ?? -1, 0, 1) * TRAIN;
    }
    received += arrivals.receive(server);
  }
  return { sent, received: received + receiveAll(), seconds: elapsed / 1000 };
}

/** What is still under way. */
function receiveAll(): number {
  let received = 0;
  for (let last = performance.now(); performance.now() - last < QUIET_MS;) {
    const count = arrivals.receive(server);
    if (count > 0) last = performance.now();
    received += count;
  }
  return received;
}

/** Halves the range between a rate that passes and one that doesn't. */
async function search(flows: readonly number[]): Promise<UdpRate> {
  const warmUp = (milliseconds: number): void => void offer(flows, WARM_UP_RATE, milliseconds);
  warmUp(WARM_UP_MS);
  await ends.warmUp(FIRST_PORT, flows.length, warmUp);
  offer(flows, options.blastRate, options.trialMs);
  const all = offer(flows, options.blastRate, options.trialMs);
  const blast = all.received / all.seconds;
  let low = 0;
  let high = Math.min(options.blastRate, blast * 1.8);
  let rate = blast;
  for (let i = 0; i < options.trials; i++) {
    // Twice, as anything else that runs on the machine spoils a trial.
    if (passes(flows, rate) || passes(flows, rate)) low = rate;
    else high = rate;
    rate = low === 0 ? high * 0.7 : (low + high) / 2;
  }
  return { top: Math.round(low), blast: Math.round(blast), offered: Math.round(all.sent / all.seconds) };
}

function passes(flows: readonly number[], rate: number): boolean {
  const { sent, received, seconds } = offer(flows, rate, options.trialMs);
  return received >= sent * (1 - LOSS) && sent >= rate * seconds * (1 - LOSS);
}

/** Round trips at a steady rate, each counted from when it was due. */
function echo(client: number, rate: number, milliseconds: number): { loss: number; p50: number; p99: number } {
  const request = new MessageBatch(1, PAYLOAD);
  const responses = new MessageBatch(64, PAYLOAD);
  const samples = new Samples(Math.ceil((rate * milliseconds) / 1000) + 1);
  const start = performance.now();
  const end = WARM_UP_MS + milliseconds;
  let sent = 0;
  let counted = 0;
  for (let elapsed = 0; elapsed < end + QUIET_MS; elapsed = performance.now() - start) {
    const due = ((sent + 1) * 1000) / rate;
    if (elapsed >= due && due < end) {
      request.data.writeDoubleLE(due);
      request.send(client, 0, 1);
      sent++;
      if (due >= WARM_UP_MS) counted++;
    }
    const echoes = arrivals.receive(server);
    if (echoes > 0) arrivals.send(server, 0, echoes);
    const count = responses.receive(client);
    if (count === 0) continue;
    const now = performance.now() - start;
    for (let i = 0; i < count; i++) {
      const sentAt = responses.data.readDoubleLE(i * PAYLOAD);
      if (sentAt >= WARM_UP_MS) samples.add((now - sentAt) * 1000);
    }
  }
  if (samples.size === 0) throw new Error('no echo came back');
  const [p50 = NaN, p99 = NaN] = samples.quantiles(0.5, 0.99);
  return { loss: 1 - samples.size / counted, p50, p99 };
}

const rates: Record<string, UdpRate> = {};
for (const count of options.flows) {
  const flows = openFlows(count);
  rates[String(count)] = await search(flows);
  for (const fd of flows) close(fd);
}
const echoRate = options.echoRate ?? (rates[String(options.flows[0])]?.top ?? 0) / 4;
const client = ends.open(ECHO_PORT);
await ends.warmUp(ECHO_PORT, 1, (milliseconds) => void echo(client, echoRate, milliseconds));
const { loss, p50, p99 } = echo(client, echoRate, options.echoMs);
const result: UdpResult = { rates, echoRate, echoLoss: loss, p50, p99 };
process.stdout.write(`${JSON.stringify(result)}\n`);
