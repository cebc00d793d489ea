/** What is wrong with something, as conditions say it. */
import type { Condition } from './object.ts';

export interface Verdict {
  /** One of the API's constants. */
  readonly reason: string;
  readonly message: string;
}

/** Reasons of conditions that wait for proxies: nothing is known to be wrong. */
export const WAITING: ReadonlySet<string> = new Set(['Pending', 'NoProxies']);

/** The most that a condition's message may have, in characters. */
const MAX_MESSAGE = 32_768;

/** A condition that holds, with `reason` as its reason, unless a verdict says why not. */
export function condition(
  type: string,
  generation: number | undefined,
  against: Verdict | undefined,
  otherwise: Verdict,
): Condition {
  return stated(type, against === undefined ? 'True' : 'False', generation, against ?? otherwise);
}

export function stated(
  type: string,
  status: Condition['status'],
  generation: number | undefined,
  { reason, message }: Verdict,
): Condition {
  const text = message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE - 1)}…` : message;
  return { type, status, reason, message: text, ...(generation !== undefined && { observedGeneration: generation }) };
}

/** All that is wrong in one verdict: the first reason, and every message once. */
export function joined(verdicts: readonly Verdict[]): Verdict | undefined {
  const [first] = verdicts;
  if (first === undefined) return undefined;
  return { reason: first.reason, message: [...new Set(verdicts.map(({ message }) => message))].join('; ') };
}
