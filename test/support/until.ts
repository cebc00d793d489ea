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
