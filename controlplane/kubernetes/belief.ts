/** Answers of the API server that are believed for a while, so that who calls again does not have it asked anew. */
import { createTurns } from '../../common/turns.ts';

export interface BeliefOptions<T> {
  /** How long an answer is believed, in ms. */
  readonly forMs: (answer: T) => number;
  /** Answers that are remembered, and questions that wait. */
  readonly most: number;
}

/** Questions that are asked at once: each call has a connection of its own. */
const MAX_AT_ONCE = 16;

/** Gives what is known of a key, or what `ask` answers. What fails is not remembered. */
export function createBelief<T>({ forMs, most }: BeliefOptions<T>): (key: string, ask: () => Promise<T>) => Promise<T> {
  interface Remembered {
    /** Those who come while it is asked share the answer. */
    until: number;
    readonly answer: Promise<T>;
  }
  const remembered = new Map<string, Remembered>();
  const inTurn = createTurns({ atOnce: MAX_AT_ONCE, waiting: most });

  return (key, ask) => {
    const now = performance.now();
    const known = remembered.get(key);
    if (known && known.until > now) return known.answer;
    remembered.delete(key);
    const entry: Remembered = { until: Infinity, answer: inTurn(ask) };
    remembered.set(key, entry);
    entry.answer.then(
      (answer) => (entry.until = performance.now() + forMs(answer)),
      () => remembered.delete(key),
    );
    // The oldest come first.
    for (const [oldest, { until }] of remembered) {
      if (remembered.size <= most && until > now) break;
      remembered.delete(oldest);
    }
    return entry.answer;
  };
}
