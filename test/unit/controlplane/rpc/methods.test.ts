/** Typed methods over a stream that a test plays. */
import v8 from 'node:v8';
import { setImmediate } from 'node:timers/promises';
import { expect } from 'chai';
import { serveMethod, type TypedMethod } from '../../../../controlplane/rpc/methods.ts';
import type { ServerStream } from '../../../../controlplane/rpc/server-stream.ts';
import { type Method, serviceOf } from '../../../../rpc/services.ts';
import { APPLY, object } from '../../../support/controlplane.ts';
import { until } from '../../../support/until.ts';

/** What is alive after a collection of garbage. */
function promises(): number {
  const { queryObjects } = v8 as unknown as { queryObjects: (constructor: unknown) => number };
  return queryObjects(Promise);
}

/** A stream that sends one message, and takes what is written; `write` says whether there is room for more. */
function streamOf(message: Buffer, signal: AbortSignal, write: () => boolean = () => true) {
  const stream = {
    call: { signal },
    closed: false,
    failure: undefined as unknown,
    onMessage: (_: Buffer): void => undefined,
    onEnd: (): void => undefined,
    onDrain: (): void => undefined,
    pause: () => undefined,
    resume: () => undefined,
    write: () => {
      void setImmediate().then(() => stream.onDrain());
      return write();
    },
    end: () => undefined,
    fail: (error: unknown) => (stream.failure = error),
  };
  return {
    serve: (...[method, handler]: [Method, TypedMethod]) => {
      serveMethod(stream as unknown as ServerStream, method, handler);
      stream.onMessage(message);
      stream.onEnd();
    },
    failure: () => stream.failure,
  };
}

function methodOf(service: string, name: string): Method {
  const method = serviceOf(service)[name];
  if (method === undefined) throw new Error(`expected a method ${name} of ${service}, found none`);
  return method;
}

describe('typed methods', () => {
  let over: AbortController;
  beforeEach(() => {
    over = new AbortController();
  });
  afterEach(() => over.abort());

  it('keep nothing of the times that they waited for a slow client', async () => {
    const stream = streamOf(Buffer.alloc(0), over.signal, () => false);
    let counts: readonly number[] = [];
    // eslint-disable-next-line @typescript-eslint/require-await -- what is generated is there at once
    async function* answers(): AsyncGenerator<object> {
      const before = promises();
      for (let sent = 0; sent < 500; sent++) yield { status: 'SERVING' };
      counts = [before, promises()];
    }
    stream.serve(methodOf('grpc.health.v1.Health', 'Watch'), answers);
    await until('the end', () => counts.length > 0 || stream.failure() !== undefined);
    expect(stream.failure()).to.equal(undefined);
    const [before = 0, after = 0] = counts;
    expect(after - before).to.be.lessThan(250);
  });

  it('leave others their turns while they read a request with thousands of objects, all of it', async () => {
    const apply = methodOf('l7mp.admin.v1.ConfigService', 'Apply');
    const endpoints = Array.from({ length: 20 }, (_, index) => `10.0.0.${index}`);
    const spec = { spec: { protocol: 'UDP', port: 1 }, endpoints };
    const objects = Array.from({ length: 3000 }, (_, index) => object('Cluster', `c${index}`, spec));
    const bytes = apply.requestSerialize({ ...APPLY, objects, replace_kinds: ['Cluster', 'Rule'], message: 'many' });
    const stream = streamOf(bytes, over.signal);
    let request: object | undefined;
    stream.serve(apply, (given: object) => {
      request = given;
      return Promise.resolve({});
    });
    let turns = 0;
    for (; request === undefined && stream.failure() === undefined; turns++) await setImmediate();
    expect(turns).to.be.greaterThan(10);
    expect(request).to.deep.equal(apply.requestDeserialize(bytes));
  });

  it('say what is wrong with a request that is cut short in its last object', async () => {
    const apply = methodOf('l7mp.admin.v1.ConfigService', 'Apply');
    const bytes = apply.requestSerialize({ ...APPLY, objects: [object('Cluster', 'c', {})] });
    const stream = streamOf(bytes.subarray(0, -1), over.signal);
    stream.serve(apply, () => Promise.resolve({}));
    await until('the failure', () => stream.failure() !== undefined);
    expect(String(stream.failure())).to.contain(`expected a request of ${apply.path}: index out of range`);
  });
});
