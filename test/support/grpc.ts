/** A gRPC server for a test, and clients of it: @grpc/grpc-js, which is not ours. */
import * as grpc from '@grpc/grpc-js';
import type { Service } from '../../controlplane/core/rpc.ts';
import { createGrpcServer, type GrpcServer, type GrpcServerOptions } from '../../controlplane/rpc/server.ts';
import { serviceOf } from '../../rpc/services.ts';
import { silentLogger } from './doubles.ts';

/** What a test opened, to be closed after it. */
export interface Closers {
  add(close: () => void | Promise<void>): void;
  run(): Promise<void>;
}

export function closers(): Closers {
  const list: (() => void | Promise<void>)[] = [];
  return {
    add: (close) => void list.push(close),
    async run() {
      for (const close of list.splice(0).toReversed()) await close();
    },
  };
}

export interface RunningServer {
  readonly server: GrpcServer;
  readonly port: number;
}

/** Serves on loopback; everybody is an administrator unless `options` say something else. */
export async function serve(
  services: readonly Service[],
  options: Partial<GrpcServerOptions>,
  cleanup: Closers,
): Promise<RunningServer> {
  const server = createGrpcServer({
    services,
    log: silentLogger,
    authenticate: () => ({ name: 'test', admin: true, reader: true, nodes: [] }),
    ...options,
  });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  cleanup.add(() => server.close(0));
  return { server, port };
}

/** A client's methods by name, as grpc-js makes them. */
export interface ClientMethods {
  unary(method: string, request: object, options?: CallOptions): Promise<object>;
  serverStream(method: string, request: object, options?: CallOptions): grpc.ClientReadableStream<object>;
  clientStream(
    method: string,
    options?: CallOptions,
  ): { stream: grpc.ClientWritableStream<object>; answer: Promise<object> };
  bidirectional(method: string, options?: CallOptions): grpc.ClientDuplexStream<object, object>;
  readonly raw: grpc.Client;
}

export interface CallOptions {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly deadlineMs?: number;
}

type Invoke = (...args: unknown[]) => never;

/** A client of a service of proto/; `name`: where it has another one on the server. */
export function clientOf(
  definition: string,
  port: number,
  cleanup: Closers,
  { credentials = grpc.credentials.createInsecure(), name = definition, options = {} }: ClientOptions = {},
): ClientMethods {
  const methods = Object.fromEntries(
    Object.entries(serviceOf(definition)).map(([method, each]) => [method, { ...each, path: `/${name}/${method}` }]),
  );
  const Client = grpc.makeGenericClientConstructor(methods, name);
  // Each client has its connection to itself: grpc-js shares those of equal options.
  const raw = new Client(`127.0.0.1:${port}`, credentials, { 'grpc.use_local_subchannel_pool': 1, ...options });
  cleanup.add(() => raw.close());
  const call = (method: string, ...args: unknown[]): never => {
    const invoke = (raw as unknown as Record<string, Invoke>)[method];
    if (invoke === undefined) throw new Error(`expected a method of ${name}, found ${method}`);
    return invoke.apply(raw, args);
  };
  return {
    raw,
    unary: (method, request, each) =>
      new Promise((resolve, reject) => {
        call(method, request, metadataOf(each), deadlineOf(each), (error: Error | null, answer: object) => {
          if (error) reject(error);
          else resolve(answer);
        });
      }),
    serverStream: (method, request, each) => call(method, request, metadataOf(each), deadlineOf(each)),
    clientStream: (method, each) => {
      const { promise, resolve, reject } = promiseOf<object>();
      const stream: grpc.ClientWritableStream<object> = call(
        method,
        metadataOf(each),
        deadlineOf(each),
        (error: Error | null, answer: object) => {
          if (error) reject(error);
          else resolve(answer);
        },
      );
      return { stream, answer: promise };
    },
    bidirectional: (method, each) => call(method, metadataOf(each), deadlineOf(each)),
  };
}

function promiseOf<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: Error) => void } {
  let resolve: (value: T) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<T>((...both) => ([resolve, reject] = both));
  return { promise, resolve, reject };
}

export interface ClientOptions {
  readonly credentials?: grpc.ChannelCredentials;
  readonly name?: string;
  readonly options?: grpc.ChannelOptions;
}

function metadataOf({ metadata = {} }: CallOptions = {}): grpc.Metadata {
  const made = new grpc.Metadata();
  for (const [key, value] of Object.entries(metadata)) made.set(key, value);
  return made;
}

function deadlineOf({ deadlineMs }: CallOptions = {}): grpc.CallOptions {
  return deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
}

/** The status that a stream ends with. */
export function statusOf(stream: {
  on(event: 'status', listener: (status: grpc.StatusObject) => void): unknown;
  on(event: 'error', listener: () => void): unknown;
}): Promise<grpc.StatusObject> {
  return new Promise((resolve) => {
    stream.on('error', () => undefined);
    stream.on('status', resolve);
  });
}
