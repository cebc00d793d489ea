/** Figures of all contenders made into lines and a table. */
import type { Bar, Metric } from './measurement.ts';

/** What one metric came to. */
export interface Line {
  readonly name: string;
  /** Ours; medians. */
  readonly value: number | undefined;
  readonly unit: string;
  readonly baseline: number | undefined;
  /** The median of the repeats' ratios. */
  readonly ratio: number | undefined;
  readonly bar?: string;
  readonly pass?: boolean;
  /** What each repeat gave. */
  readonly repeats: { readonly value: readonly number[]; readonly baseline: readonly number[] };
  readonly peers?: Readonly<Record<string, { readonly value: number; readonly ratio: number | undefined }>>;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle - 1)] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2;
}

/** The line of a metric from each contender's repeats; `reference` is the baseline's name. */
export function createLine(metric: Metric, figures: ReadonlyMap<string, readonly number[]>, reference = 'bare'): Line {
  const { name, unit, bar } = metric;
  const references = figures.get(reference) ?? [];
  const ours = figures.get('l7mp') ?? [];
  const baseline = medianOf(references);
  const value = medianOf(ours);
  const ratio = medianRatio(ours, references);
  const peers: Record<string, { value: number; ratio: number | undefined }> = {};
  for (const [peer, values] of figures) {
    if (peer === reference || peer === 'l7mp' || values.length === 0) continue;
    const peerValue = median(values);
    peers[peer] = { value: round(peerValue), ratio: medianRatio(values, references) };
  }
  return {
    name,
    value: value === undefined ? undefined : round(value),
    unit,
    baseline: baseline === undefined ? undefined : round(baseline),
    ratio,
    ...(bar && { bar: formatBar(bar), pass: isReached(bar, bar.of === 'ratio' ? ratio : value) }),
    repeats: { value: ours.map(round), baseline: references.map(round) },
    ...(Object.keys(peers).length > 0 && { peers }),
  };
}

/** All lines as a table for people. */
export function formatTable(lines: readonly Line[]): string {
  const peers = [...new Set(lines.flatMap((line) => Object.keys(line.peers ?? {})))];
  const rows = [
    ['metric', 'unit', 'baseline', 'l7mp', 'ratio', 'bar', '', ...peers],
    ...lines.map((line) => [
      line.name,
      line.unit,
      text(line.baseline),
      text(line.value),
      text(line.ratio),
      line.bar ?? '',
      line.pass === undefined ? '' : line.pass ? 'pass' : 'MISSED',
      ...peers.map((peer) => text(line.peers?.[peer]?.value)),
    ]),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const format = (row: readonly string[]): string =>
    row
      .map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ');
  return rows.map(format).join('\n');
}

function medianOf(values: readonly number[] = []): number | undefined {
  return values.length === 0 ? undefined : median(values);
}

/**
 * The median of each repeat's ratio: what slows the machine for a while hits both contenders of a repeat, and leaves their
 * ratio alone. Where a repeat failed for one of them there are no pairs: the ratio of the medians.
 */
function medianRatio(values: readonly number[], baselines: readonly number[]): number | undefined {
  if (values.length === 0 || baselines.length === 0) return undefined;
  // Of differences that are lost in the noise: a ratio to none, or to less than none, says nothing.
  if (baselines.some((baseline) => baseline <= 0)) return undefined;
  const ratio =
    values.length === baselines.length
      ? median(values.map((value, repeat) => value / (baselines[repeat] ?? NaN)))
      : median(values) / median(baselines);
  return Math.round(ratio * 1000) / 1000;
}

function isReached({ atLeast = -Infinity, atMost = Infinity }: Bar, found: number | undefined): boolean {
  return found !== undefined && found >= atLeast && found <= atMost;
}

function formatBar({ of, atLeast, atMost }: Bar): string {
  const limit = atLeast === undefined ? `<= ${String(atMost)}` : `>= ${atLeast}`;
  return of === 'ratio' ? `${limit} x` : limit;
}

/** Four significant digits are more than a measurement has. */
function round(value: number): number {
  return Number(value.toPrecision(4));
}

function text(value: number | undefined): string {
  return value === undefined ? '-' : String(value);
}

/** The value that a share of all does not exceed, as 0.99: the nearest rank. */
export function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.max(Math.ceil(share * values.length) - 1, 0)] ?? NaN;
}

/** The least-squares slope of equidistant values, by step. */
export function slope(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  let products = 0;
  let squares = 0;
  for (const [index, value] of values.entries()) {
    products += (index - middle) * (value - mean);
    squares += (index - middle) ** 2;
  }
  return products / squares;
}
