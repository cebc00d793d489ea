/** Our gRPC server with a client that is not ours: @grpc/grpc-js. */
import { expect } from 'chai';
import * as grpc from '@grpc/grpc-js';
import { type Call, type RawStream, RpcError, type Service, STATUS } from '../../../../controlplane/core/rpc.ts';
import { clientOf, closers, serve, statusOf } from '../../../support/grpc.ts';
import { until, untilSteady } from '../../../support/until.ts';

const CONFIG = 'l7mp.admin.v1.ConfigService';
const REPORT = 'l7mp.admin.v1.ReportService';
const DISCOVERY = 'envoy.service.discovery.v3.AggregatedDiscoveryService';

interface Chunk {
  readonly data: Buffer;
}

const cleanup = closers();

/** Serves methods of the configuration service. */
async function config(methods: Required<Service>['methods'], options: Parameters<typeof serve>[1] = {}) {
  const { server, port } = await serve([{ name: CONFIG, methods }], options, cleanup);
  return { server, port, client: clientOf(CONFIG, port, cleanup) };
}

describe('the gRPC server, called by grpc-js', () => {
  afterEach(() => cleanup.run());

  it('answers one request with one response, and passes metadata', async () => {
    let seen: Call | undefined;
    const { client } = await config({
      List: (_request: object, call: Call) => {
        seen = call;
        return Promise.resolve({ revision: 7 });
      },
    });
    expect(await client.unary('List', {}, { metadata: { 'x-one': '1' } })).to.include({ revision: 7 });
    expect(seen?.metadata).to.include({ 'x-one': '1', te: 'trailers' });
    expect(seen?.peer).to.match(/^127\.0\.0\.1:\d+$/u);
    expect(seen?.identity.name).to.equal('test');
  });

  it('answers with many responses', async () => {
    const { client } = await config({
      async *Backup() {
        for (let count = 0; count < 100; count++) yield Promise.resolve({ data: Buffer.alloc(60_000) });
      },
    });
    const stream = client.serverStream('Backup', {});
    let bytes = 0;
    stream.on('data', ({ data }: Chunk) => (bytes += data.length));
    expect((await statusOf(stream)).code).to.equal(grpc.status.OK);
    expect(bytes).to.equal(6_000_000);
  });

  it('takes many requests, as the method takes them', async () => {
    let go: () => void = () => {};
    const may = new Promise<void>((resolve) => (go = resolve));
    let bytes = 0;
    const { client } = await config({
      Restore: async (requests: AsyncIterable<Chunk>) => {
        await may;
        for await (const { data } of requests) bytes += data.length;
        return { revision: bytes };
      },
    });
    const { stream, answer } = client.clientStream('Restore');
    let taken = 0;
    for (let count = 0; count < 200; count++) stream.write({ data: Buffer.alloc(50_000) }, () => taken++);
    const out = await untilSteady('the first requests', () => taken);
    expect(out, 'requests to a method that does not read').to.be.lessThan(100);
    stream.end();
    go();
    await answer;
    expect(bytes).to.equal(10_000_000);
  });

  it('answers many requests with many responses', async () => {
    const echo: Service = {
      name: REPORT,
      methods: {
        async *Report(requests: AsyncIterable<object>) {
          for await (const request of requests) yield { request };
        },
      },
    };
    const { port } = await serve([echo], {}, cleanup);
    const stream = clientOf(REPORT, port, cleanup).bidirectional('Report');
    let count = 0;
    stream.on('data', () => {
      count += 1;
      if (count < 10) stream.write({ node: 'n' });
      else stream.end();
    });
    stream.write({ node: 'n' });
    expect((await statusOf(stream)).code).to.equal(grpc.status.OK);
    expect(count).to.equal(10);
  });

  it('answers with a status, its message and its details', async () => {
    const { client } = await config({
      Get: () => {
        throw new RpcError(STATUS.NOT_FOUND, 'no „ä%\n“', [{ type_url: 'x/y', value: Buffer.from('z') }]);
      },
      List: () => {
        throw new Error('secret');
      },
    });
    const error = (await client.unary('Get', {}).catch((reason: unknown) => reason)) as grpc.ServiceError;
    expect(error).to.include({ code: grpc.status.NOT_FOUND, details: 'no „ä%\n“' });
    expect(error.metadata.get('grpc-status-details-bin')[0]).to.be.instanceOf(Buffer);
    const other = (await client.unary('List', {}).catch((reason: unknown) => reason)) as grpc.ServiceError;
    expect(other).to.include({ code: grpc.status.INTERNAL });
    expect(other.details).not.to.include('secret');
  });

  it('knows no other methods', async () => {
    const { client } = await config({});
    const error = (await client.unary('Get', {}).catch((reason: unknown) => reason)) as grpc.ServiceError;
    expect(error).to.include({ code: grpc.status.UNIMPLEMENTED });
    expect(error.details).to.include('/l7mp.admin.v1.ConfigService/Get');
  });

  it('tells the method of a deadline that has passed, and the client', async () => {
    const reasons: unknown[] = [];
    const { client } = await config({
      Get: (_request: object, { signal }: Call) =>
        new Promise<object>((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reasons.push(signal.reason);
            reject(signal.reason as Error);
          });
        }),
    });
    const error = (await client
      .unary('Get', {}, { deadlineMs: 2000 })
      .catch((reason: unknown) => reason)) as grpc.ServiceError;
    expect(error).to.include({ code: grpc.status.DEADLINE_EXCEEDED });
    await until('the method is told', () => reasons.length === 1);
  });

  it('tells the method of a client that has gone', async () => {
    let ended = 0;
    const { client } = await config({
      async *Watch(_request: object, { signal }: Call) {
        yield {};
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        ended += 1;
      },
    });
    const stream = client.serverStream('Watch', {});
    const status = statusOf(stream);
    await new Promise((resolve) => stream.once('data', resolve));
    stream.cancel();
    expect((await status).code).to.equal(grpc.status.CANCELLED);
    await until('the method is told', () => ended === 1);
  });

  it('refuses a message that is too large, and takes one that is as large as may be', async () => {
    const { client } = await config({
      Restore: async (requests: AsyncIterable<Chunk>) => {
        for await (const { data } of requests) expect(data.length).to.equal(4 * 1024 * 1024 - 5);
        return {};
      },
    });
    const fits = client.clientStream('Restore');
    fits.stream.end({ data: Buffer.alloc(4 * 1024 * 1024 - 5) });
    await fits.answer;
    const large = client.clientStream('Restore');
    large.stream.end({ data: Buffer.alloc(4 * 1024 * 1024) });
    const error = (await large.answer.catch((reason: unknown) => reason)) as grpc.ServiceError;
    expect(error).to.include({ code: grpc.status.RESOURCE_EXHAUSTED });
  });

  it('ends a call early while the client still sends, without an error of HTTP/2', async () => {
    const { client } = await config({
      Restore: () => {
        throw new RpcError(STATUS.FAILED_PRECONDITION, 'not now');
      },
    });
    const { stream, answer } = client.clientStream('Restore');
    for (let count = 0; count < 100; count++) stream.write({ data: Buffer.alloc(10_000) });
    const error = (await answer.catch((reason: unknown) => reason)) as grpc.ServiceError;
    expect(error).to.include({ code: grpc.status.FAILED_PRECONDITION, details: 'not now' });
  });

  it('refuses who is nobody, before reading a message', async () => {
    let called = false;
    const { client } = await config(
      {
        Get: () => {
          called = true;
          return Promise.resolve({});
        },
      },
      {
        authenticate: async ({ metadata }) => {
          await new Promise((resolve) => setImmediate(resolve));
          if (metadata['authorization'] !== 'Bearer good')
            throw new RpcError(STATUS.UNAUTHENTICATED, 'expected a token');
          return { name: 'token:good', admin: false, reader: true, nodes: [] };
        },
      },
    );
    const error = (await client.unary('Get', {}).catch((reason: unknown) => reason)) as grpc.ServiceError;
    expect(error).to.include({ code: grpc.status.UNAUTHENTICATED, details: 'expected a token' });
    expect(called).to.equal(false);
    await client.unary('Get', {}, { metadata: { authorization: 'Bearer good' } });
  });

  it('gives undecoded messages and takes shared bytes, up to where the client is slow', async () => {
    const shared = [Buffer.alloc(100_000, 1)];
    let raw: RawStream | undefined;
    let drains = 0;
    const service: Service = {
      name: DISCOVERY,
      raw: {
        DeltaAggregatedResources: (stream) => {
          raw = stream;
          stream.onMessage = () => {
            while (stream.write(shared));
          };
          stream.onDrain = () => (drains += 1);
          stream.onEnd = () => stream.end(STATUS.OK, '');
        },
      },
    };
    const { port } = await serve([service], {}, cleanup);
    const client = clientOf(DISCOVERY, port, cleanup);
    // The message is one field of bytes that no client knows.
    shared[0]!.set([0x7a, 0x9c, 0x8d, 0x06], 0);
    const stream = client.bidirectional('DeltaAggregatedResources');
    const status = statusOf(stream);
    let count = 0;
    stream.on('data', () => (count += 1));
    stream.write({});
    await until('a first message', () => count > 0);
    await until('room again', () => drains > 0);
    expect(raw?.queued).to.equal(0);
    stream.end();
    expect((await status).code).to.equal(grpc.status.OK);
  });
});
