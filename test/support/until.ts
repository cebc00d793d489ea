/** Waiting for a state. */

/** Resolves with what `look` gives when it gives something; rejects where five seconds pass before. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const deadline = Date.now() + 5000;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`expected ${what} within 5 s`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** How many looks find the same before it is held for steady. */
const STEADY = 30;

/** Resolves with a number above zero that grows no more; rejects where five seconds pass before. */
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
