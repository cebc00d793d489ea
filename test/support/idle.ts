/** Whether the process sleeps. */
import { expect } from 'chai';
import { performance } from 'node:perf_hooks';

/** In ms. What turns all the time does so thousands of times meanwhile, however busy the machine is. */
const WINDOW = 200;
/** What timers and late wake-ups of others may cost. */
const FEW = 50;

/** The event loop waits for events: nothing wakes it again and again. */
export async function expectIdle(): Promise<void> {
  const turns = (): number => performance.nodeTiming.uvMetricsInfo.loopCount;
  const before = turns();
  await new Promise((resolve) => setTimeout(resolve, WINDOW));
  expect(turns() - before, `turns of the event loop in ${WINDOW} ms`).to.be.below(FEW);
}
