/** After every test: what it opened is closed. */
import { expect } from 'chai';

/** The test runner's own stdio. */
const STANDARD = ['PipeWrap', 'TTYWrap'];

/** Resources of the process that a test may leave behind. */
function openHandles(): string[] {
  return process.getActiveResourcesInfo().filter((name) => /TCP|UDP|Pipe|Process|Server/.test(name));
}

/** Those that were not there before the test. */
function added(): string[] {
  const before = [...kept];
  return openHandles().filter((name) => {
    const index = before.indexOf(name);
    if (index >= 0) before.splice(index, 1);
    return index < 0 && !STANDARD.includes(name);
  });
}

/** How long the process may live on after the last test, in ms. */
const LIMIT = 10_000;

/** What a suite keeps for all of its tests. */
let kept: string[] = [];

export const mochaHooks = {
  beforeEach(): void {
    kept = openHandles();
  },
  afterAll(): void {
    // Only where something keeps the process alive does it come to this.
    setTimeout(() => {
      process.stderr.write(`the tests left open: ${process.getActiveResourcesInfo().join(', ')}\n`);
      process.exit(1);
    }, LIMIT).unref();
  },
  async afterEach(this: Mocha.Context): Promise<void> {
    // One that failed, perhaps to run once more, may leave anything.
    if (this.currentTest?.state !== 'passed') return;
    const deadline = Date.now() + 2000;
    let left = added();
    while (left.length > 0 && Date.now() < deadline) {
      await new Promise((resolve) => setImmediate(resolve));
      left = added();
    }
    expect(left, 'handles that the test left open').to.deep.equal([]);
  },
};
