import fc from 'fast-check';
import { targets } from '../../fuzz/targets.ts';

describe('fuzz targets', () => {
  for (const [name, { fuzz, inputs }] of Object.entries(targets)) {
    it(`${name} finds nothing in a bounded run`, async function () {
      this.timeout(30_000);
      await fc.assert(
        fc.asyncProperty(inputs, async (data) => fuzz(data)),
        { numRuns: 300, interruptAfterTimeLimit: 20_000 }, // making a failure smaller may take long
      );
    });
  }
});
