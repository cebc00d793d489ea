/** The order in which contenders are measured, again and again, so that whatever drifts drifts for all of them. */
import type { Contender } from './contenders.ts';
import { Lab } from './lab.ts';
import type { Benchmark, Measurement, Sliced, Successive, Values } from './measurement.ts';
import { createLine, type Line } from './report.ts';

export interface Settings {
  readonly contenders: readonly Contender[];
  /** Undefined: what the benchmark says. */
  readonly repeats: number | undefined;
  readonly quick: boolean;
}

type Tell = (contender: Contender, values: Values) => void;

const SUCCESSIVE_MS = 3000;
const SLICE_MS = 1000;

let failed = 0;

/** How many measurements came to nothing so far. */
export function failures(): number {
  return failed;
}

/** Measures all contenders that can do it, and gives a line for each metric. */
export async function runBenchmark(lab: Lab, benchmark: Benchmark, settings: Settings): Promise<Line[]> {
  const figures = new Map(benchmark.metrics.map(({ name }) => [name, new Map<string, number[]>()]));
  const tell: Tell = ({ name: contender }, values) => {
    for (const [name, value] of Object.entries(values)) {
      const of = figures.get(name);
      of?.set(contender, [...(of.get(contender) ?? []), value]);
    }
  };
  const contenders = settings.contenders.filter(
    ({ name, command }) => !benchmark.without?.includes(name) && command(benchmark.kind, lab.directory) !== undefined,
  );
  const repeats = settings.repeats ?? benchmark.repeats ?? 3;
  const shared = new Map<string, number>();
  const measurement = { lab, quick: settings.quick, shared };
  for (let repeat = 0; repeat < repeats; repeat++) {
    const order = inTurn(contenders, repeat);
    const round = `${repeat + 1} of ${repeats}`;
    if ('slices' in benchmark) await runSlices(benchmark, order, measurement, round, tell);
    else await runRound(benchmark, order, measurement, round, tell);
  }
  return benchmark.metrics.map((metric) =>
    createLine(metric, figures.get(metric.name) ?? new Map(), metric.baseline ?? benchmark.baseline),
  );
}

/**
 * Each second time backwards, so that nobody gets a machine that the one before has worn out more often than others. The baseline
 * comes first at first.
 */
function inTurn(contenders: readonly Contender[], time: number): readonly Contender[] {
  return time % 2 === 0 ? contenders : contenders.toReversed();
}

type Common = Pick<Measurement, 'lab' | 'quick' | 'shared'>;

async function runRound(
  benchmark: Successive,
  contenders: readonly Contender[],
  common: Common,
  round: string,
  tell: Tell,
): Promise<void> {
  const durationMs = common.quick ? 1000 : SUCCESSIVE_MS;
  for (const contender of contenders) {
    console.error(`${benchmark.name}: ${contender.name} (${round})`);
    try {
      tell(contender, await benchmark.measure({ ...common, contender, durationMs }));
    } catch (error) {
      report(benchmark, contender.name, error);
    }
  }
}

/** Where one fails there is no pair: what was measured by then counts. */
async function runSlices(
  benchmark: Sliced,
  contenders: readonly Contender[],
  common: Common,
  round: string,
  tell: Tell,
): Promise<void> {
  const names = contenders.map(({ name }) => name).join(', ');
  const slices = common.quick ? 2 : benchmark.slices;
  const opened = new Map<Contender, () => Promise<Values>>();
  const open = async ([contender, ...others]: readonly Contender[]): Promise<void> => {
    if (contender) {
      const lab = new Lab();
      try {
        return await benchmark.open({ ...common, lab, contender, durationMs: SLICE_MS }, (slice) => {
          opened.set(contender, slice);
          return open(others);
        });
      } finally {
        lab.close();
      }
    }
    console.error(`${benchmark.name}: ${names} in turn (${round})`);
    for (let time = 0; time < slices; time++) {
      const pair: [Contender, Values][] = [];
      for (const each of inTurn(contenders, time)) pair.push([each, (await opened.get(each)?.()) ?? {}]);
      for (const [each, values] of pair) tell(each, values);
    }
  };
  try {
    await open(contenders);
  } catch (error) {
    report(benchmark, names, error);
  }
}

function report(benchmark: Benchmark, contender: string, error: unknown): void {
  failed++;
  console.error(`${benchmark.name}: ${contender} failed: ${error instanceof Error ? error.message : String(error)}`);
}
