/** Calls the configuration service of a control plane. */
import { readFileSync } from 'node:fs';
import {
  type Channel,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  connectivityState,
  credentials,
  makeGenericClientConstructor,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { isLoopback } from '../../common/loopback.ts';
import { ProxyError } from '../../common/errors.ts';
import { withPlainWords } from '../../common/openssl-text.ts';
import { readTraceContext, traceFields } from '../../common/telemetry/trace-context.ts';
import { type Method, serviceOf } from '../../rpc/services.ts';
import { UsageError } from '../exit.ts';
import { toCommandError } from './errors.ts';

export interface ServerOptions {
  /** `HOST:PORT`, or `http://…` or `https://…` to say whether it has TLS; several with commas: the first that is there is asked. */
  readonly server: string;
  readonly tokenFile?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Whom its certificate must be for; `server`'s host when absent. */
  readonly tlsServerName?: string;
  readonly json?: true;
}

/** How long a single answer may take, in ms. */
const TIMEOUT = 30_000;
/** How long one of several may take to be there, in ms. */
const CONNECT = 5000;
/** A page of large objects is more than gRPC's own 4 MiB. */
const MAX_MESSAGE = 512 * 1024 * 1024;

const SERVICE = 'l7mp.admin.v1.ConfigService';

interface Client {
  getChannel(): Pick<Channel, 'getConnectivityState' | 'watchConnectivityState'>;
  makeUnaryRequest(...args: unknown[]): ClientUnaryCall;
  makeServerStreamRequest(...args: unknown[]): ClientReadableStream<object>;
  makeClientStreamRequest(...args: unknown[]): ClientWritableStream<object>;
  close(): void;
}

/** The trace of whoever runs the command (OpenTelemetry's "Environment Variables as Context Propagation Carriers"). */
function traceOfProcess(): Record<string, string> {
  const { TRACEPARENT: traceparent, TRACESTATE: tracestate, BAGGAGE: baggage } = process.env;
  const trace = readTraceContext({ traceparent, tracestate, baggage });
  return trace ? traceFields(trace) : {};
}

export class ControlPlane {
  /** What errors call it. */
  private server: string;
  private readonly client: Client;
  private readonly methods: Readonly<Record<string, Method>>;
  private readonly metadata = new Metadata();

  /** Connects with the first call, or to the first of several that is there. @throws UsageError, ProxyError where a file can't be read */
  static async of(options: ServerOptions): Promise<ControlPlane> {
    const servers = options.server.split(',');
    const all = servers.map((server) => ({ ...options, server }));
    for (const each of all) toAddress(each); // what is wrong is said whichever of them is there
    const last = new ControlPlane(all.pop() ?? options);
    if (all.length === 0) return last;
    for (const each of all) {
      const controlPlane = new ControlPlane(each);
      if (await controlPlane.isThere()) {
        last.close();
        return controlPlane;
      }
      controlPlane.close();
    }
    if (!(await last.isThere())) last.server = options.server;
    return last;
  }

  private constructor(options: ServerOptions) {
    const { host, port, tls } = toAddress(options);
    // grpc-js names an address as a TLS server name, which Node.js says is no good, and leaves out.
    if (tls) process.noDeprecation = true;
    this.server = options.server;
    this.methods = serviceOf(SERVICE);
    const token = options.tokenFile === undefined ? undefined : readOption('--token-file', options.tokenFile).trim();
    if (token !== undefined) this.metadata.set('authorization', `Bearer ${headerValue(token)}`);
    for (const [name, value] of Object.entries(traceOfProcess())) this.metadata.set(name, value);
    const Service = makeGenericClientConstructor(this.methods, SERVICE);
    this.client = new Service(`${host}:${port}`, tls ? secure(options) : credentials.createInsecure(), {
      'grpc.max_receive_message_length': MAX_MESSAGE,
      'grpc.max_send_message_length': MAX_MESSAGE,
      // What is on this machine is not reached by way of another.
      ...(isLoopback(host) && { 'grpc.enable_http_proxy': 0 }),
      ...(options.tlsServerName !== undefined && {
        'grpc.ssl_target_name_override': options.tlsServerName,
        'grpc.default_authority': options.tlsServerName,
      }),
    });
  }

  private async isThere(): Promise<boolean> {
    const channel = this.client.getChannel();
    const deadline = Date.now() + CONNECT;
    for (;;) {
      const state = channel.getConnectivityState(true);
      if (state === connectivityState.READY) return true;
      if (state === connectivityState.TRANSIENT_FAILURE) return false;
      const changed = await new Promise<boolean>((resolve) =>
        channel.watchConnectivityState(state, deadline, (late) => resolve(late === undefined)),
      );
      if (!changed) return false;
    }
  }

  /** One request, one answer. @throws ApiError, ConflictError, FaultyRequest */
  call<A>(name: string, request: object): Promise<A> {
    const { path, requestSerialize, responseDeserialize } = this.method(name);
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        this.metadata,
        { deadline: Date.now() + TIMEOUT },
        (error: ServiceError | null, answer?: A) => {
          if (error) reject(toCommandError(error, this.server));
          else resolve(answer as A);
        },
      );
    });
  }

  /** One request, many answers, until the end or `signal`. @throws as `call` */
  async *stream<A>(name: string, request: object, signal?: AbortSignal): AsyncGenerator<A> {
    const { path, requestSerialize, responseDeserialize } = this.method(name);
    const stream = this.client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      this.metadata,
    );
    const cancel = (): void => stream.cancel();
    signal?.addEventListener('abort', cancel);
    if (signal?.aborted) cancel();
    try {
      for await (const answer of stream) yield answer as A;
    } catch (error) {
      if (signal?.aborted) return;
      throw toCommandError(error as ServiceError, this.server);
    } finally {
      signal?.removeEventListener('abort', cancel);
      stream.cancel();
    }
  }

  /** Many requests, one answer. @throws as `call`, and what `requests` throws */
  async upload<A>(name: string, requests: AsyncIterable<object>): Promise<A> {
    const { path, requestSerialize, responseDeserialize } = this.method(name);
    let stream: ClientWritableStream<object> | undefined;
    const answer = new Promise<A>((resolve, reject) => {
      stream = this.client.makeClientStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        this.metadata,
        {},
        (error: ServiceError | null, value?: A) => {
          if (error) reject(toCommandError(error, this.server));
          else resolve(value as A);
        },
      );
    });
    answer.catch(() => undefined); // it may come while requests are still read
    const sending = stream as unknown as ClientWritableStream<object>;
    const broken = answer.then(
      () => undefined,
      () => undefined,
    );
    try {
      for await (const request of requests) {
        if (sending.destroyed) break;
        if (!sending.write(request)) {
          await Promise.race([new Promise<void>((resolve) => sending.once('drain', resolve)), broken]);
        }
      }
    } catch (error) {
      sending.cancel();
      throw error;
    }
    sending.end();
    return answer;
  }

  close(): void {
    this.client.close();
  }

  private method(name: string): Method {
    const method = this.methods[name];
    if (method === undefined) throw new Error(`no method ${name}`);
    return method;
  }
}

/** Runs `use` with a control plane, and lets go of it. */
export async function withControlPlane(
  options: ServerOptions,
  use: (controlPlane: ControlPlane) => Promise<void>,
): Promise<void> {
  const controlPlane = await ControlPlane.of(options);
  try {
    await use(controlPlane);
  } finally {
    controlPlane.close();
  }
}

interface Address {
  /** In brackets where it is an IPv6 address. */
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

/** TLS off this machine, and wherever its options are there, unless the scheme says otherwise. */
function toAddress({ server, ca, cert, tlsServerName }: ServerOptions): Address {
  const [, scheme, rest = ''] = /^(?:(https?):\/\/)?([^/]+)\/?$/iu.exec(server) ?? [];
  const [, host, port] = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/u.exec(rest) ?? [];
  const number = Number(port ?? DEFAULT_PORT);
  if (host === undefined || number < 1 || number > 65_535) {
    throw new UsageError(
      `--server, L7MP_SERVER: expected HOST:PORT, as in 127.0.0.1:${DEFAULT_PORT}, found "${server}"`,
    );
  }
  const named = ca !== undefined || cert !== undefined || tlsServerName !== undefined;
  if (named && scheme?.toLowerCase() === 'http') {
    throw new UsageError(
      `--server, L7MP_SERVER: expected https beside --ca, --cert or --tls-server-name, found ${server}`,
    );
  }
  return {
    host,
    port: number,
    tls: scheme === undefined ? named || !isLoopback(host) : scheme.toLowerCase() === 'https',
  };
}

/** Where a control plane listens when it is told nothing. */
const DEFAULT_PORT = 1235;

function secure({ ca, cert, key }: ServerOptions): ReturnType<typeof credentials.createSsl> {
  if ((cert === undefined) !== (key === undefined)) {
    throw new UsageError(`expected --cert and --key together, found only ${cert === undefined ? '--key' : '--cert'}`);
  }
  const read = (option: string, file: string | undefined): Buffer | null =>
    file === undefined ? null : Buffer.from(readOption(option, file));
  try {
    return credentials.createSsl(read('--ca', ca), read('--key', key), read('--cert', cert));
  } catch (error) {
    if (error instanceof ProxyError) throw error;
    const found = withPlainWords(error instanceof Error ? error.message : String(error));
    throw new UsageError(`--ca, --cert, --key: expected PEM files that belong together, found that ${found}`);
  }
}

function readOption(option: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code, message } = ProxyError.from(error);
    throw new ProxyError(code, `${option}: expected a file that can be read, found ${message}`, error);
  }
}

function headerValue(token: string): string {
  if (/^[\x21-\x7e]+$/u.test(token)) return token;
  throw new UsageError('--token-file: expected a token in one line, found other characters');
}
