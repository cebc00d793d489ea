/** Values of options. */
import { InvalidArgumentError } from 'commander';
import { LONGEST_TIMER } from '../../common/timer.ts';

export const LEVELS = ['silly', 'trace', 'verbose', 'debug', 'info', 'http', 'notice', 'warn', 'error', 'silent'];

/** Reads whole numbers of a range. */
export function wholeNumber(min = 0, max = LONGEST_TIMER): (text: string) => number {
  return (text) => {
    const value = /^\d+$/u.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}`);
  };
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** An option that may stand several times, with one value each: `--plugin a.js --plugin b.js`. */
export function repeated(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

/** `30s`, `500ms`, `2m`, `1h`: in ms. */
export function duration(text: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/u.exec(text) ?? [];
  if (number === undefined) throw new InvalidArgumentError('expected a time with its unit, as in 30s, 500ms, 2m or 1h');
  const ms = Math.round(Number(number) * (UNITS[unit] ?? 0));
  if (ms > LONGEST_TIMER) throw new InvalidArgumentError(`expected a time of at most ${LONGEST_TIMER} ms (24 days)`);
  return ms;
}

/** `10,50`: rising percentages. */
export function percentages(text: string): number[] {
  const steps = text.split(',').map((step) => (/^\d+%?$/u.test(step) ? parseInt(step, 10) : NaN));
  if (!steps.every((step, index) => step > (steps[index - 1] ?? 0) && step <= 100)) {
    throw new InvalidArgumentError('expected rising percentages from 1 to 100, as in 10,50');
  }
  return steps;
}

/** `a=b,c=d`, once or several times. */
export function labels(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const pairs = text.split(',').map((pair) => /^([^=]+)=(.*)$/u.exec(pair));
  if (!pairs.every((pair) => pair !== null)) {
    throw new InvalidArgumentError('expected labels with their values, as in site=a,tier=edge');
  }
  return { ...before, ...Object.fromEntries(pairs.map(([, key = '', value = '']) => [key, value])) };
}
