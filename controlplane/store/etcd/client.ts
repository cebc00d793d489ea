/** Calls to etcd: several endpoints, fail-over, deadlines, the user's token, and errors in the store's words. */
import { type ChannelCredentials, Client, type ClientDuplexStream, Metadata, type ServiceError } from '@grpc/grpc-js';
import { type Method, serviceOf } from '../../../rpc/services.ts';
import type { AuthenticateResponse } from '../../../gen/etcd.ts';
import { StoreError } from '../../core/store.ts';
import { faultOf, isRefusal, isTokenRefused } from './faults.ts';
import { pause } from '../../../common/signal.ts';

export interface EtcdEndpoints {
  /** As in `10.0.0.1:2379`. One that does not answer is left for the next. */
  readonly endpoints: readonly string[];
  readonly credentials: ChannelCredentials;
  readonly user?: { readonly name: string; readonly password: string };
}

export interface CallOptions {
  /** May be made twice: then it is tried again wherever it failed. Otherwise only where nothing was sent yet. */
  readonly idempotent: boolean;
  /** For all tries together, in ms. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** How long a call may take, with all tries. */
const TIMEOUT_MS = 10_000;
/** How long one endpoint has to connect, and to answer, before the next is tried. */
const CONNECT_MS = 1500;
const ANSWER_MS = 4000;
/** Between tries. */
const PAUSE_MS = 100;
/** The largest answer that is taken; listings come in pages below it. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

const CHANNEL_OPTIONS = {
  'grpc.max_receive_message_length': MAX_ANSWER_BYTES,
  'grpc.max_send_message_length': -1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2000,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5000,
  // Each store has connections of its own, which end with it.
  'grpc.use_local_subchannel_pool': 1,
};

const services = {
  Auth: serviceOf('etcdserverpb.Auth'),
  KV: serviceOf('etcdserverpb.KV'),
  Lease: serviceOf('etcdserverpb.Lease'),
  Maintenance: serviceOf('etcdserverpb.Maintenance'),
  Watch: serviceOf('etcdserverpb.Watch'),
};

export type EtcdMethod =
  | 'Auth/Authenticate'
  | 'KV/Range'
  | 'KV/Txn'
  | 'KV/Compact'
  | 'Lease/LeaseGrant'
  | 'Lease/LeaseRevoke'
  | 'Lease/LeaseKeepAlive'
  | 'Maintenance/Status'
  | 'Watch/Watch';

export type EtcdStream = ClientDuplexStream<object, object>;

export class EtcdClient {
  readonly #clients: readonly Client[];
  readonly #user: EtcdEndpoints['user'];
  #current = 0;
  #token: string | undefined;
  /** Whoever needs a token meanwhile waits for this one. */
  #authenticating: Promise<string> | undefined;
  readonly #closing = new AbortController();

  constructor({ endpoints, credentials, user }: EtcdEndpoints) {
    this.#clients = endpoints.map((endpoint) => new Client(endpoint, credentials, CHANNEL_OPTIONS));
    this.#user = user;
  }

  /**
   * One request, one answer.
   *
   * @throws StoreError
   */
  async call<Answer>(method: EtcdMethod, request: object, options: CallOptions): Promise<Answer> {
    const deadline = Date.now() + (options.timeoutMs ?? TIMEOUT_MS);
    for (let refusals = 0; ;) {
      const client = await this.#connected(deadline, options.signal);
      let metadata: Metadata;
      try {
        metadata = await this.#metadata(client, method, options.signal);
      } catch (error) {
        // Nothing of the call itself was sent.
        this.#check(options.signal);
        const { code, cause } = error as StoreError;
        if (code !== 'UNAVAILABLE' || isRefusal(cause ?? {}) || Date.now() + PAUSE_MS > deadline) throw error;
        await pause(PAUSE_MS, options.signal);
        continue;
      }
      this.#check(options.signal);
      const ends = Math.min(deadline, Date.now() + ANSWER_MS);
      try {
        return (await unary(client, definitionOf(method), request, metadata, ends, options.signal)) as Answer;
      } catch (error) {
        this.#check(options.signal);
        if (isTokenRefused(error) && this.#token !== undefined && Date.now() < deadline) {
          if (metadata.get('token')[0] === this.#token) this.#token = undefined; // another call may have a newer one
          if (refusals++ > 0) await pause(PAUSE_MS, options.signal);
          continue;
        }
        const fault = faultOf(error, options.idempotent);
        if (fault.code !== 'UNAVAILABLE' || isRefusal(error)) throw fault;
        this.#leave(client);
        if (!options.idempotent || Date.now() + PAUSE_MS > deadline) throw fault;
        await pause(PAUSE_MS, options.signal);
      }
    }
  }

  /**
   * A stream of requests and answers, to an endpoint that is connected and that has a quorum behind it.
   *
   * @throws StoreError
   */
  async stream(method: EtcdMethod, signal: AbortSignal): Promise<EtcdStream> {
    const client = await this.#connected(Date.now() + TIMEOUT_MS, signal);
    const metadata = await this.#metadata(client, method, signal);
    metadata.set('hasleader', 'true');
    this.#check(signal);
    const { path, requestSerialize, responseDeserialize } = definitionOf(method);
    const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata);
    const cancel = (): void => stream.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    stream.once('close', () => signal.removeEventListener('abort', cancel));
    // Whoever reads hears of it too.
    stream.on('error', (error: unknown) => {
      if (isTokenRefused(error)) this.#token = undefined;
      else if (!signal.aborted) this.#leave(client);
    });
    return stream;
  }

  /** After a watch was refused for what the user may not: it may be the token that is too old. */
  forgetToken(): void {
    this.#token = undefined;
  }

  /** What runs ends. */
  close(): void {
    this.#closing.abort();
    for (const client of this.#clients) client.close();
  }

  #check(signal?: AbortSignal): void {
    if (this.#closing.signal.aborted) throw new StoreError('CLOSED', 'the store is closed');
    if (signal?.aborted === true) throw new StoreError('UNAVAILABLE', 'it was given up');
  }

  /** The next endpoint is used from now on, where it isn't another by now anyway. */
  #leave(client: Client): void {
    if (this.#clients[this.#current] === client) this.#current = (this.#current + 1) % this.#clients.length;
  }

  /** A connected client: nothing was sent before, so that trying the next is safe. */
  async #connected(deadline: number, signal: AbortSignal | undefined): Promise<Client> {
    for (;;) {
      this.#check(signal);
      const client = this.#clients[this.#current];
      if (!client) throw new RangeError('etcd: expected at least one endpoint, found none');
      const failure = await new Promise<Error | undefined>((resolve) => {
        client.waitForReady(Math.min(deadline, Date.now() + CONNECT_MS), resolve);
      });
      if (failure === undefined) return client;
      this.#check(signal);
      const target = client.getChannel().getTarget();
      this.#leave(client);
      if (Date.now() >= deadline) {
        const why = await reasonOf(client);
        const message = `etcd can't be reached, last at ${target}${why}: nothing was changed`;
        throw new StoreError('UNAVAILABLE', message, failure);
      }
    }
  }

  async #metadata(client: Client, method: EtcdMethod, signal: AbortSignal | undefined): Promise<Metadata> {
    const metadata = new Metadata();
    if (!this.#user || method === 'Auth/Authenticate') return metadata;
    let token = this.#token;
    if (token === undefined) {
      this.#authenticating ??= this.#authenticate(client, this.#user).finally(() => (this.#authenticating = undefined));
      token = await unlessAborted(this.#authenticating, signal);
    }
    metadata.set('token', token);
    return metadata;
  }

  /** For all that wait for it: only the client's end stops it. */
  async #authenticate(client: Client, user: NonNullable<EtcdEndpoints['user']>): Promise<string> {
    const definition = definitionOf('Auth/Authenticate');
    try {
      const ends = Date.now() + ANSWER_MS;
      const answer = await unary(client, definition, user, new Metadata(), ends, this.#closing.signal);
      return (this.#token = (answer as AuthenticateResponse).token);
    } catch (error) {
      this.#check();
      this.#leave(client);
      throw faultOf(error, true, `etcd gives the user ${user.name} no token: `);
    }
  }
}

/** How long a client may take to say why it isn't connected, in ms: where it is refused, it knows. */
const REASON_MS = 200;

/** Why a client isn't connected, as ` (connect ECONNREFUSED …)`: only a call of it says so. Empty: nobody answers. */
async function reasonOf(client: Client): Promise<string> {
  const probe = unary(
    client,
    definitionOf('Maintenance/Status'),
    {},
    new Metadata(),
    Date.now() + REASON_MS,
    undefined,
  );
  const error: unknown = await probe.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  const [, reason] = /Last error: (?:Error: )?(.+)$/su.exec((error as ServiceError | undefined)?.details ?? '') ?? [];
  return reason === undefined ? '' : ` (${reason})`;
}

/** Rejects when `signal` aborts, whatever becomes of the promise. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(new StoreError('UNAVAILABLE', 'it was given up'));
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    void promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

function definitionOf(method: EtcdMethod): Method {
  const [service, name] = method.split('/') as [keyof typeof services, string];
  const definition = services[service][name];
  if (!definition) throw new Error(`etcd has no method ${method}`);
  return definition;
}

/** Also of methods with streams, where one request has one answer. */
function unary(
  client: Client,
  { path, requestSerialize, responseDeserialize, requestStream }: Method,
  request: object,
  metadata: Metadata,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<object> {
  return new Promise((resolve, reject) => {
    const options = { deadline };
    const done = (error: ServiceError | null, answer?: object): void => {
      signal?.removeEventListener('abort', cancel);
      if (error || !answer) reject(error ?? new Error('expected an answer, found none'));
      else resolve(answer);
    };
    const start = (): { cancel(): void } => {
      if (!requestStream) {
        return client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, options, done);
      }
      const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata, options);
      stream.on('error', (error: unknown) => done(error as ServiceError));
      stream.once('data', (answer: object) => {
        done(null, answer);
        stream.cancel();
      });
      stream.once('end', () => done(null));
      stream.write(request);
      return stream;
    };
    const call = start();
    function cancel(): void {
      call.cancel();
    }
    signal?.addEventListener('abort', cancel, { once: true });
  });
}
