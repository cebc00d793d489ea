/** `npm run fuzz -- [TARGET…] [--minutes N] [--seed N] [--input HEX]`: runs fuzz targets for longer than tests do. */
import fc from 'fast-check';
import { parseArgs } from 'node:util';
import { type Target, targets } from './targets.ts';

/** Inputs between two looks at the clock. */
const ROUND = 500;
/** An input that takes longer is a finding, too, in ms: one thread serves all sessions. */
const SLOW = 2000;

const USAGE = `npm run fuzz -- [TARGET…] [--minutes N] [--seed N] [--input HEX]

  TARGET      all of them when none is named: ${Object.keys(targets).join(', ')}
  --minutes   how long each target runs (1)
  --seed      repeats a run
  --input     the bytes of one input, for one target
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    input: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
const names = positionals.length === 0 ? Object.keys(targets) : positionals;
const minutes = Number(values.minutes);
const seed = Number(values.seed);
const unknown = names.filter((name) => !Object.hasOwn(targets, name));
if (values.help || unknown.length > 0 || !(minutes > 0) || !Number.isInteger(seed)) {
  if (unknown.length > 0) process.stderr.write(`expected names of targets, found ${unknown.join(', ')}\n`);
  (values.help ? process.stdout : process.stderr).write(USAGE);
  process.exit(values.help ? 0 : 2);
}

for (const name of names) {
  const target = targets[name];
  if (target === undefined) continue;
  if (values.input !== undefined) await target.fuzz(Buffer.from(values.input, 'hex'));
  else if (!(await run(name, target))) process.exitCode = 1;
}

/** Whether it found nothing. */
async function run(name: string, target: Target): Promise<boolean> {
  const end = Date.now() + minutes * 60_000;
  const property = fc.asyncProperty(target.inputs, (data) => timed(target, data));
  let inputs = 0;
  for (let round = seed; Date.now() < end; round++) {
    const result = await fc.check(property, { seed: round, numRuns: ROUND });
    inputs += result.numRuns;
    if (!result.failed) continue;
    const [data] = result.counterexample ?? [Buffer.alloc(0)];
    const hex = data.toString('hex');
    process.stdout.write(
      `${name}: failed after ${inputs} inputs\n${String(result.errorInstance)}\n` +
        `input: ${JSON.stringify(data.toString('latin1'))}\n` +
        `again: npm run fuzz -- ${name} --input ${hex === '' ? '""' : hex}\n`,
    );
    return false;
  }
  process.stdout.write(`${name}: ${inputs} inputs, nothing found (seed ${seed})\n`);
  return true;
}

async function timed(target: Target, data: Buffer): Promise<void> {
  const start = performance.now();
  await target.fuzz(data);
  const took = performance.now() - start;
  if (took > SLOW) throw new Error(`expected at most ${SLOW} ms, found ${Math.round(took)}`);
}
