/**
 * Runs all tests, some folders beside each other, each folder in a mocha of its own: many wait more than they work. What a folder's
 * tests print stays together, in the order of the folders. What failed, or passed at the second go only, is printed once more at the
 * end, where a log that is cut still shows it. The last line tells how many tests passed and failed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

/** A test belongs to the innermost of these that it lies in. Those that take long come first, so that lanes end together. */
const FOLDERS = [
  'test/integration/dataplane/offload',
  'test/integration/controlplane/kubernetes',
  'test/integration',
  'test/integration/controlplane',
  'test/integration/operation',
  'test/integration/dataplane',
  'test/unit',
];
/** How many run beside each other: with one more the processors have no rest, and little is won. */
const LANES = Math.max(2, availableParallelism());

/** The tests of one folder. */
interface Run {
  readonly folder: string;
  readonly files: string[];
  /** What they have printed that is not shown yet. */
  held: string[];
  isDone: boolean;
}

interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly retried: number;
  readonly seconds: number;
  /** What mocha says of those that failed or were retried. */
  readonly report: string;
}

const running = new Set<ChildProcess>();

function collect(): Run[] {
  const runs = FOLDERS.map((folder): Run => ({ folder, files: [], held: [], isDone: false }));
  for (const name of readdirSync('test', { recursive: true, encoding: 'utf8' }).sort()) {
    const file = join('test', name);
    if (!file.endsWith('.test.ts')) continue;
    const [run] = runs
      .filter(({ folder }) => file.startsWith(`${folder}/`))
      .sort((a, b) => b.folder.length - a.folder.length);
    if (!run) throw new Error(`expected tests in ${FOLDERS.join(', ')}, found ${file}`);
    run.files.push(file);
  }
  return runs.filter(({ files }) => files.length > 0);
}

/** Shows what the first of those that are not done prints, and all of those before it. */
function show(runs: readonly Run[]): void {
  for (const run of runs) {
    for (const chunk of run.held.splice(0)) process.stdout.write(chunk);
    if (!run.isDone) return;
  }
}

async function execute(run: Run, told: () => void): Promise<Outcome> {
  const since = performance.now();
  const child = spawn('mocha', ['--config', 'scripts/mocharc.cjs', ...run.files], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      run.held.push(chunk);
      told();
    });
  }
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (...how) => resolve(how));
  });
  running.delete(child);
  // The last of each: a test may print such lines, too.
  const count = (what: string): number | undefined => {
    const last = [...text.matchAll(new RegExp(`^  (\\d+) ${what}\\b`, 'gmu'))].at(-1);
    return last && Number(last[1]);
  };
  const passed = count('passing');
  const failed = count('failing') ?? 0;
  const isWhole = passed !== undefined && (code === 0) === (failed === 0);
  if (!isWhole) {
    run.held.push(`${run.folder}: expected mocha to end by itself, found ${signal ?? `exit code ${code}`}\n`);
  }
  run.isDone = true;
  told();
  const retried = count('retried') ?? 0;
  const report = failed > 0 ? `\n  ${failed} failing` : `\n  ${retried} retried`;
  return {
    report: failed + retried > 0 ? text.slice(text.lastIndexOf(report)).trim() : '',
    retried,
    passed: passed ?? 0,
    failed: isWhole ? failed : failed + 1,
    skipped: count('pending') ?? 0,
    seconds: (performance.now() - since) / 1000,
  };
}

const runs = collect();
const waiting = [...runs];
// A terminal's SIGINT comes to each of them by itself.
process.on('SIGINT', () => waiting.splice(0));
process.once('SIGTERM', () => {
  waiting.splice(0);
  // The only one that mocha hands on to the process that tests.
  for (const child of running) child.kill('SIGINT');
});

const outcomes = new Map<Run, Outcome>();
const lane = async (): Promise<void> => {
  for (let run = waiting.shift(); run; run = waiting.shift()) {
    outcomes.set(run, await execute(run, () => show(runs)));
  }
};
await Promise.all(Array.from({ length: LANES }, lane));

for (const [{ folder }, { report }] of outcomes) {
  if (report) console.log(`${folder}: ${report}\n`);
}
let passed = 0;
let failed = 0;
for (const run of runs) {
  const outcome = outcomes.get(run);
  if (!outcome) throw new Error(`expected ${run.folder} to have run`);
  const { retried, skipped, seconds } = outcome;
  const counts = `${outcome.passed} passed, ${outcome.failed} failed, ${retried} retried, ${skipped} not run`;
  console.log(`${run.folder}: ${counts}, in ${seconds.toFixed()} s`);
  passed += outcome.passed;
  failed += outcome.failed;
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
