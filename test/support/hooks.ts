/** After every test: what it opened is closed. */
import { expect } from 'chai';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe as inWords, isRunners, more, type Open, openDescriptors, openHandles } from './open.ts';

/** How long what a test has closed may take to be so, in ms. */
const PATIENCE = 5000;
/** How long the process may live on after the last test, in ms. */
const LIMIT = 10_000;

const openNow = (): Open[] => [...openHandles(), ...openDescriptors()];

/** What a suite keeps for all of its tests. */
let kept: Open[] = [];
/** What tests left that failed, perhaps to run once more: that may be anything. */
const forgiven = new Set<string>();

const left = (): Open[] => more(openNow(), kept).filter((each) => !isRunners(each));

/** What compiles TypeScript starts with the first file that its cache has not, and stays: no test is to be the one that imports it. */
async function startCompiler(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
  const file = join(directory, 'new.mts');
  writeFileSync(file, `export const name: string = '${directory}';\n`);
  await import(file);
  rmSync(directory, { recursive: true });
}

export const mochaHooks = {
  beforeAll: startCompiler,
  beforeEach(): void {
    kept = openNow();
  },
  afterAll(): void {
    // Only where something keeps the process alive does it come to this.
    setTimeout(() => {
      const open = openHandles().filter(({ kind }) => !forgiven.has(kind));
      if (open.length === 0) process.exit();
      process.stderr.write(`the tests left open: ${open.map(inWords).join('\n')}\n`);
      process.exit(1);
    }, LIMIT).unref();
  },
  async afterEach(this: Mocha.Context): Promise<void> {
    if (this.currentTest?.state !== 'passed') {
      for (const { kind } of more(openHandles(), kept)) forgiven.add(kind);
      return;
    }
    const deadline = Date.now() + PATIENCE;
    while (left().length > 0 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(left().map(inWords).join('\n'), 'what the test left open').to.equal('');
  },
};
