/** Programs that end with the process that started them, however that ends: nothing is left of a run that was killed. */

/** What to spawn instead of a program. The signal goes to the program itself, not to what it starts. */
export function dyingWithUs(file: string, args: readonly string[]): [string, string[]] {
  return ['setpriv', ['--pdeathsig', 'KILL', '--', file, ...args]];
}
