/** The protocol: what a folder under protocols/ (or a plugin) exports. Types only. */
import type { ClusterSpec, ListenerSpec } from '../../gen/l7mp/config/v1/types.ts';
import type { PluggedIn } from '../../config/decode.ts';
import type { ProxyError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { SecretSource } from '../../common/secrets.ts';
import type { CaptureTable } from './capture.ts';
import type { Flow, LeftPair } from './offload.ts';
import type { Accept, Metadata, Refused } from './session.ts';
import type { Stream } from './stream.ts';

/** The server side of a protocol: accepts sessions. */
export interface Listener {
  /** Resolves once it listens. Rejects, with everything undone, where it can't. */
  start(): Promise<void>;
  /** Stops listening, and ends what can't live without it (UDP sessions on its socket). Resolves when it's done. */
  close(): Promise<void>;
  /** Where it listens, as in `127.0.0.1:5000`, after `start`. */
  readonly address: string;
  /** Datagrams that the kernel dropped since its socket's receive buffer was full; undefined: that can't be, or be known. */
  readonly overflow?: number | undefined;
  /** Takes on a session of its own that the kernel went on relaying without a process. False: it was refused. */
  resume?(left: LeftPair): boolean;
}

/** What a listener is made of. */
export interface ListenerContext<Spec> {
  readonly name: string;
  readonly spec: Spec;
  readonly accept: Accept;
  /** Told of clients that get no session. */
  readonly refused: Refused;
  readonly log: Logger;
  /** What `secret:NAME` in TLS settings stands for. */
  readonly secrets: SecretSource;
  /** What the kernel leads to listeners with `captured`; undefined: nothing, as it was not asked to. */
  readonly capture?: CaptureTable | undefined;
  /** A listener of another protocol (JSONSocket's transport); already constructed, not started. */
  listen(spec: ListenerSpec, accept: Accept): Listener;
}

/** An endpoint to connect to: resolved, with every default filled in. */
export interface Target {
  readonly name: string;
  /** An IP address, or a path; empty where the cluster has no network. */
  readonly address: string;
  /** The configured name, where `address` came from DNS: for TLS and Host. */
  readonly hostname: string;
  readonly port: number;
  readonly bind?: { readonly address?: string; readonly port?: number } | undefined;
  /** Targets where it is the same may share kept connections. */
  readonly connectionKey: string;
}

/** One attempt to connect. */
export interface ConnectRequest {
  /** The session's name. */
  readonly session: string;
  readonly metadata: Metadata;
  readonly target: Target;
  /** Where it connects from, whatever the target says: a session goes on from before. */
  readonly from?: Flow['local'] | undefined;
  /** Aborted when the attempt takes too long or the session ends. The connector then destroys what it has begun. */
  readonly signal: AbortSignal;
  /**
   * The same without a signal, whose making and listening is a tenth of a TCP connection's cost: `handler` hears of the
   * abort, at once where it has been. It takes the place of the one before; undefined: nobody listens.
   */
  onAbort(handler: ((reason: ProxyError) => void) | undefined): void;
  /** The most time that this attempt may take, in ms. */
  readonly timeout: number;
  /**
   * What will be written may not be as the client sent it, byte for byte: the length that the client announced says
   * nothing. A connector that puts something of its own before the payload sets it for its transport.
   */
  altered: boolean;
  /** Tells the cluster that the endpoint failed (or served) the session, where the protocol knows better (HTTP 5xx). */
  report(ok: boolean): void;
}

/** The client side of a protocol. */
export interface Connector {
  /** A connected stream. Rejects (or throws) with a ProxyError. */
  connect(request: ConnectRequest): Stream | Promise<Stream>;
  /** Its streams give back byte for byte what is written to them (Echo, Logger): lengths that were announced stay true. */
  readonly transparent?: boolean;
  /** The targets from now on, by their `connectionKey`: it lets go of what it keeps between sessions for others. */
  retain?(keys: ReadonlySet<string>): void;
  /** Datagrams that the kernel dropped since the receive buffers of its sockets were full. */
  readonly overflow?: number | undefined;
  /** Lets go of what it keeps between sessions (idle connections). Streams that are in use go on. */
  close?(): Promise<void>;
}

/** What a connector is made of. */
export interface ConnectorContext<Spec> {
  /** The cluster's name. */
  readonly name: string;
  readonly spec: Spec;
  readonly log: Logger;
  /** What `secret:NAME` in TLS settings stands for. */
  readonly secrets: SecretSource;
  readonly services: Services;
  /** The connector of another protocol (JSONSocket's transport). */
  connector(spec: ClusterSpec): Connector;
}

/** What clusters inside the proxy stand for: joined in main.ts. */
export interface Services {
  /** Answers a REST request: L7mpController. */
  readonly api: RequestHandler;
  /** Answers a request for metrics: Prometheus. */
  readonly metrics: RequestHandler;
  /** Counts what passes a Metric cluster. */
  readonly meter: Meter;
}

export interface Request {
  readonly method: string;
  /** With the query. */
  readonly url: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** The address that it came in at; none where there is no such, as on a UNIX socket. */
  readonly local?: string | undefined;
  readonly body: Buffer;
}

export interface Response {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer | StreamedBody;
}

/** A body that is made as it is taken, until it ends or `gone` aborts: nobody takes it any more. */
export type StreamedBody = (gone: AbortSignal) => AsyncIterable<string>;

export type RequestHandler = (request: Request) => Promise<Response>;

/** Named counters of bytes and packets. */
export interface Meter {
  counter(name: string, labels: Readonly<Record<string, string>>): { bytes: number; packets: number };
}

/** A protocol: its name in `spec.protocol` and the roles it has. */
export interface Protocol<L = object, C = object> {
  readonly name: string;
  readonly listener?: (context: ListenerContext<L>) => Listener;
  readonly connector?: (context: ConnectorContext<C>) => Connector;
  /** True where the connector needs no endpoints: it has no network, or its spec says where it goes. */
  readonly local?: boolean;
  /** Listener sessions that have no end of their own are ended after this many idle ms, unless configured otherwise. */
  readonly idleTimeout?: number;
  /** The most sessions of a listener that anybody may open at no cost (spoofed sources), unless configured otherwise. */
  readonly maxSessions?: number;
  /** A plugin's own specs; those of the built-in protocols are in the configuration schema. */
  readonly schema?: NonNullable<PluggedIn['schema']>;
}

/** A protocol whose specs are not known here: what registries hold. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyProtocol = Protocol<any, any>;

/** A protocol from outside. */
export interface Plugin {
  readonly protocol: AnyProtocol;
  /** Its module's, as stacks show it: `file:///…`. */
  readonly url: string;
}
