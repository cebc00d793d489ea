/** What a benchmark is: metrics with their bars, and one measurement of one contender. */
import { join } from 'node:path';
import type { Contender } from './contenders.ts';
import { CLIENT, type Lab, PROXY, type Running, SERVER } from './lab.ts';
import { type Kind, PROXY_PORT, SERVER_PORT } from './route.ts';

/** What must be reached: of the value itself, or of its ratio to the baseline. */
export interface Bar {
  readonly of: 'ratio' | 'value';
  readonly atLeast?: number;
  readonly atMost?: number;
}

export interface Metric {
  readonly name: string;
  readonly unit: string;
  /** Absent where a figure is for information. */
  readonly bar?: Bar;
  /** The contender that its ratio is to, where it isn't the benchmark's. */
  readonly baseline?: string;
}

export interface Measurement {
  readonly lab: Lab;
  readonly contender: Contender;
  /** How long one figure is measured. */
  readonly durationMs: number;
  /** `--quick`: fewer and shorter. */
  readonly quick: boolean;
  /** What the baseline's measurement leaves for those that follow: all get the load that half fills the baseline. */
  readonly shared: Map<string, number>;
}

/** A value for each metric, by name, in its unit. */
export type Values = Readonly<Record<string, number>>;

interface Described {
  readonly name: string;
  /** What a contender must be able to do. */
  readonly kind: Kind;
  /** The contender that ratios are to. Default: bare. */
  readonly baseline?: string;
  readonly metrics: readonly Metric[];
  /** Names of peers that aren't measured. */
  readonly without?: readonly string[];
  /** How many repeats there are unless something else is asked for. Default: 3. */
  readonly repeats?: number;
}

/** Contenders have the lab one after the other. */
export interface Successive extends Described {
  measure(measurement: Measurement): Promise<Values>;
}

/**
 * Contenders live beside each other, each in a lab of its own, and are measured in short slices in turn: what slows the machine for
 * some seconds slows neighbours alike. For figures that are so close that nothing else tells them apart.
 */
export interface Sliced extends Described {
  /** How many slices each has in a repeat, in which processes stay the same. */
  readonly slices: number;
  /** Runs `use` with what measures one slice, while all that it takes is there and warm. */
  open(measurement: Measurement, use: (slice: () => Promise<Values>) => Promise<void>): Promise<void>;
}

export type Benchmark = Successive | Sliced;

/** Runs `use` while the contender relays `kind`. */
export async function withProxy<T>(
  { lab, contender }: Measurement,
  kind: Kind,
  use: (proxy: Running) => Promise<T>,
): Promise<T> {
  const command = contender.command(kind, lab.directory);
  if (!command) throw new Error(`${contender.name} can't relay ${kind}`);
  const proxy = await lab.serve('proxy', command, kind.endsWith('udp') ? 'udp' : 'tcp', PROXY_PORT);
  try {
    return await use(proxy);
  } finally {
    await proxy.stop();
  }
}

/** Runs a load generator of `load/` with these options, beside where everything is: they may say otherwise. */
export async function runLoad<Result>(lab: Lab, name: string, options: object, timeoutMs: number): Promise<Result> {
  const where = {
    clientNamespace: lab.namespace('client'),
    serverNamespace: lab.namespace('server'),
    clientAddress: CLIENT,
    targetAddress: PROXY,
    targetPort: PROXY_PORT,
    serverAddress: SERVER,
    serverPort: SERVER_PORT,
  };
  const file = join(import.meta.dirname, `load/${name}.js`);
  const output = await lab.run('client', [process.execPath, file, JSON.stringify({ ...where, ...options })], timeoutMs);
  return JSON.parse(output) as Result;
}
