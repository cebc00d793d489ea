/** A connection to one control plane, over grpc-js: loaded when there is one to connect to. */
import { readFile } from 'node:fs/promises';
import type { Client, ChannelCredentials, ClientDuplexStream, Metadata } from '@grpc/grpc-js';
import { type Method, serviceOf } from '../../rpc/services.ts';
import { ProxyError } from '../../common/errors.ts';
import type { ControlPlaneOptions, Timing } from './types.ts';

/** How a call ended. */
export interface CallEnd {
  /** grpc's status code by name, as in `UNAVAILABLE`. */
  readonly code: string;
  readonly details: string;
}

export interface CallHandlers {
  message(message: object): void;
  /** Once. */
  end(end: CallEnd): void;
}

/** A call whose messages go both ways. */
export interface Call {
  /** `sent`: when it has left the queue of the stream. */
  send(message: object, sent?: () => void): void;
  cancel(): void;
}

/** A response may hold all that there is of a type. */
const MOST_BYTES = 64 * 1024 * 1024;

/** READY, TRANSIENT_FAILURE and SHUTDOWN of grpc-js's connectivity states: its enum would load it. */
const SETTLED: ReadonlySet<number> = new Set([2, 3, 4]);

export class Transport {
  private readonly client: Client;
  private readonly metadata: Metadata;
  private readonly codes: Readonly<Record<number, string>>;

  private constructor(client: Client, metadata: Metadata, codes: Readonly<Record<number, string>>) {
    this.client = client;
    this.metadata = metadata;
    this.codes = codes;
  }

  /** @throws ProxyError where files can't be read, or nobody answers within the time. */
  static async connect(
    server: string,
    options: ControlPlaneOptions,
    timing: Timing,
    signal: AbortSignal,
  ): Promise<Transport> {
    const { Client, Metadata, status } = await import('@grpc/grpc-js');
    const metadata = new Metadata();
    if (options.tokenFile !== undefined) {
      metadata.set('authorization', `Bearer ${(await read('token', options.tokenFile)).toString().trim()}`);
    }
    const client = new Client(server, await credentialsOf(options), {
      'grpc.keepalive_time_ms': timing.keepalive,
      'grpc.keepalive_timeout_ms': timing.keepaliveTimeout,
      'grpc.keepalive_permit_without_calls': 1,
      'grpc.max_receive_message_length': MOST_BYTES,
      'grpc.enable_retries': 0,
      // The channel's own delays and reuse would stand in the way of ours.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.service_config_disable_resolution': 1,
    });
    const close = (): void => client.close();
    if (signal.aborted) close();
    signal.addEventListener('abort', close);
    const channel = client.getChannel();
    const deadline = Date.now() + timing.connect;
    try {
      // A failed connection shows in the first call: that says why.
      for (let state = channel.getConnectivityState(true); !SETTLED.has(state);) {
        const before = state;
        await new Promise<void>((resolve, reject) => {
          channel.watchConnectivityState(before, deadline, (error) => (error ? reject(error) : resolve()));
        });
        state = channel.getConnectivityState(true);
      }
    } catch {
      client.close();
      throw new ProxyError('CONNECT_TIMEOUT', `expected a control plane at ${server} within ${timing.connect} ms`);
    } finally {
      signal.removeEventListener('abort', close);
    }
    return new Transport(client, metadata, status);
  }

  open(service: string, method: string, handlers: CallHandlers): Call {
    const definition = methodOf(service, method);
    const call: ClientDuplexStream<object, object> = this.client.makeBidiStreamRequest(
      definition.path,
      definition.requestSerialize,
      definition.responseDeserialize,
      this.metadata,
    );
    call.on('data', (message: object) => handlers.message(message));
    call.on('error', () => undefined); // the status says it
    // Node.js tells of a connection's end while nghttp2 still reads it. A stream that is reset then may be one that is freed:
    // nghttp2 sends for ever (https://github.com/nodejs/node/pull/64166, which Node.js 20 does not have). So all that may
    // reset one comes after the read.
    call.on('status', ({ code, details }) => {
      setImmediate(() => handlers.end({ code: this.codes[code] ?? String(code), details }));
    });
    return {
      send: (message, sent) => call.write(message, sent),
      cancel: () => void setImmediate(() => call.cancel()),
    };
  }

  close(): void {
    this.client.close();
  }
}

const services = new Map<string, ReturnType<typeof serviceOf>>();

function methodOf(service: string, method: string): Method {
  const methods = services.get(service) ?? serviceOf(service);
  services.set(service, methods);
  const found = methods[method];
  if (found === undefined) throw new ProxyError('INTERNAL', `${service} has no method ${method}`);
  return found;
}

async function credentialsOf({ plaintext, ca, cert, key }: ControlPlaneOptions): Promise<ChannelCredentials> {
  const { credentials } = await import('@grpc/grpc-js');
  if (plaintext) return credentials.createInsecure();
  const maybe = async (what: string, file: string | undefined) => (file === undefined ? null : read(what, file));
  return credentials.createSsl(
    await maybe('authorities', ca),
    await maybe('private key', key),
    await maybe('certificate', cert),
  );
}

async function read(what: string, file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    const { code, message } = ProxyError.from(error);
    throw new ProxyError(code, `expected the ${what} for the control plane in ${file}: ${message}`, error);
  }
}
