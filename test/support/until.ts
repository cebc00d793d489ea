/** Waiting for a state. */

/** How long one may take to come, in ms, unless the test says otherwise. */
const LIMIT = 20_000;

/** Resolves with what `look` gives when it gives something; rejects where `limitMs` pass before. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  limitMs = LIMIT,
): Promise<T> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const since = performance.now();
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`expected ${what} within ${limitMs} ms`);
    // Who looks by a process of its own must not take the processor from those that are waited for.
    const pause = Math.max(5, 2 * (performance.now() - since));
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** How many looks find the same before it is held for steady. */
const STEADY = 30;

/** Resolves with a number above zero that grows no more; rejects where it takes longer than any state may. */
export async function untilSteady(what: string, look: () => number): Promise<number> {
  let last = 0;
  let looks = 0;
  return until(`${what} to grow no more`, () => {
    const now = look();
    looks = now === last ? looks + 1 : 0;
    last = now;
    return looks >= STEADY && now;
  });
}
