/** After every test: what it opened is closed. */
import { expect } from 'chai';

/** Resources of the process that a test may leave behind. */
function openHandles(): string[] {
  return process.getActiveResourcesInfo().filter((name) => /TCP|UDP|Pipe|Process|Server/.test(name));
}

/** How long the process may live on after the last test, in ms. */
const LIMIT = 10_000;

export const mochaHooks = {
  afterAll(): void {
    // Only where something keeps the process alive does it come to this.
    setTimeout(() => {
      process.stderr.write(`the tests left open: ${process.getActiveResourcesInfo().join(', ')}\n`);
      process.exit(1);
    }, LIMIT).unref();
  },
  async afterEach(this: Mocha.Context): Promise<void> {
    if (this.currentTest?.state === 'failed') return;
    const standard = ['PipeWrap', 'TTYWrap']; // the test runner's own stdio
    const deadline = Date.now() + 2000;
    let left = openHandles().filter((name) => !standard.includes(name));
    while (left.length > 0 && Date.now() < deadline) {
      await new Promise((resolve) => setImmediate(resolve));
      left = openHandles().filter((name) => !standard.includes(name));
    }
    expect(left, 'handles that the test left open').to.deep.equal([]);
  },
};
