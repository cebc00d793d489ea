/** Typed methods over a stream that a test plays: the answers of one that lasts. */
import v8 from 'node:v8';
import { expect } from 'chai';
import { serveMethod } from '../../../../controlplane/rpc/methods.ts';
import type { ServerStream } from '../../../../controlplane/rpc/server-stream.ts';
import { serviceOf } from '../../../../rpc/services.ts';
import { until } from '../../../support/until.ts';

/** What is alive after a collection of garbage. */
function promises(): number {
  const { queryObjects } = v8 as unknown as { queryObjects: (constructor: unknown) => number };
  return queryObjects(Promise);
}

describe('a method with many answers', () => {
  it('keeps nothing of the times that it waited for a slow client', async () => {
    const { Watch } = serviceOf('grpc.health.v1.Health');
    if (Watch === undefined) throw new Error('expected a method Watch, found none');
    const over = new AbortController();
    const stream = {
      call: { signal: over.signal },
      closed: false,
      onMessage: (_: Buffer): void => undefined,
      onEnd: (): void => undefined,
      onDrain: (): void => undefined,
      pause: () => undefined,
      resume: () => undefined,
      write: () => {
        setImmediate(() => stream.onDrain());
        return false;
      },
      end: () => undefined,
      fail: (error: unknown) => (failure = error),
    };
    let failure: unknown;
    let counts: readonly number[] = [];
    // eslint-disable-next-line @typescript-eslint/require-await -- what is generated is there at once
    async function* answers(): AsyncGenerator<object> {
      const before = promises();
      for (let sent = 0; sent < 500; sent++) yield { status: 'SERVING' };
      counts = [before, promises()];
    }
    serveMethod(stream as unknown as ServerStream, Watch, answers);
    stream.onMessage(Buffer.alloc(0));
    stream.onEnd();
    await until('the end', () => counts.length > 0 || failure !== undefined);
    expect(failure).to.equal(undefined);
    const [before = 0, after = 0] = counts;
    expect(after - before).to.be.lessThan(250);
    over.abort();
  });
});
