/** The gRPC server: HTTP/2 with or without TLS, its services, and who may call them. See docs/adr/0001-grpc-server.md. */
import { type EventEmitter, once } from 'node:events';
import http2, { type Http2Session, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import { formatAddress } from '../../common/format-address.ts';
import { isLoopback } from '../../common/loopback.ts';
import type { Logger } from '../../common/log.ts';
import { type Method, serviceOf } from '../../rpc/services.ts';
import type { CallerFacts, Identity, PeerFacts } from '../core/identity.ts';
import { RpcError, type Service, STATUS } from '../core/rpc.ts';
import { Connection } from './connection.ts';
import { isGrpc, metadataOf, timeoutOf } from './metadata.ts';
import { serveMethod } from './methods.ts';
import { resetSoon } from './reset.ts';
import { ServerStream } from './server-stream.ts';

export interface GrpcServerOptions {
  readonly services: readonly Service[];
  readonly log: Logger;
  /** Who calls. @throws RpcError UNAUTHENTICATED. */
  readonly authenticate: (facts: CallerFacts) => Identity | Promise<Identity>;
  /** Without it HTTP/2 in clear (h2c, prior knowledge). */
  readonly tls?: TlsOptions;
  readonly limits?: Partial<GrpcLimits>;
}

export interface TlsOptions extends SecureContextOptions {
  /** Clients are asked for a certificate (which `ca` must have signed, to be in the facts). Default: false. */
  readonly requestCert?: boolean;
  /** Clients without a certificate that is verified are turned away in the handshake. Default: false. */
  readonly rejectUnauthorized?: boolean;
}

export interface GrpcLimits {
  /** Default: 4 MiB. */
  readonly maxMessageBytes: number;
  /** Default: 10,000; what comes above is closed at once. */
  readonly maxConnections: number;
  /** Default: 100; what comes above is refused (REFUSED_STREAM). */
  readonly maxStreamsPerConnection: number;
  /** Default: 30,000. */
  readonly keepaliveIntervalMs: number;
  /** Default: 20,000. */
  readonly keepaliveTimeoutMs: number;
  /** Default: an hour; Infinity: for ever. */
  readonly maxConnectionAgeMs: number;
  /** Default: 10,000. */
  readonly graceMs: number;
}

const DEFAULT_LIMITS: GrpcLimits = {
  maxMessageBytes: 4 * 1024 * 1024,
  maxConnections: 10_000,
  maxStreamsPerConnection: 100,
  keepaliveIntervalMs: 30_000,
  keepaliveTimeoutMs: 20_000,
  maxConnectionAgeMs: 3_600_000,
  graceMs: 10_000,
};

const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Connections that wait to be accepted: a fleet that lost its server connects all at once. The system may have a lower bound. */
const BACKLOG = 4096;

const NOBODY: Identity = { name: 'anonymous', admin: false, reader: false, nodes: [] };

/** What serves a path. */
interface Target {
  readonly anonymous: boolean;
  /** It may answer for long: it is not waited for when the connection is to end. */
  readonly longLived: boolean;
  readonly open: (stream: ServerStream) => void;
}

/** Made by `createGrpcServer`. */
export interface GrpcServer {
  /** @throws Error with the system's code, as EADDRINUSE. */
  listen(where: { readonly host: string; readonly port: number }): Promise<AddressInfo>;
  /** New connections get this certificate; those that are open stay. @throws Error where the context can't be made, or without TLS. */
  setSecureContext(options: SecureContextOptions): void;
  /** Connections that are open. */
  readonly connections: number;
  /** Listens no more, gives calls with one answer `graceMs` (the limit's by default), and resolves when all is closed. */
  close(graceMs?: number): Promise<void>;
}

/** @throws Error for a service or method that proto/ does not have, or where the TLS context can't be made. */
export function createGrpcServer(options: GrpcServerOptions): GrpcServer {
  const { log, authenticate, tls } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const targets = targetsOf(options.services);
  const connections = new Map<Http2Session, { readonly connection: Connection; readonly peer: PeerFacts }>();

  const http2Options = {
    settings: { maxConcurrentStreams: limits.maxStreamsPerConnection, enablePush: false },
  };
  const secure =
    tls &&
    http2.createSecureServer({
      ...http2Options,
      rejectUnauthorized: false,
      ...tls,
      ALPNProtocols: ['h2'],
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    });
  const server = secure ?? http2.createServer(http2Options);
  server.maxConnections = limits.maxConnections;
  // Those that have no session yet as well: in a handshake that doesn't end.
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('sessionError', () => undefined);
  server.on('drop', () =>
    log.warn({ limit: limits.maxConnections }, 'a gRPC connection is refused: too many are open'),
  );
  secure?.on('tlsClientError', (error) => log.debug({ error }, 'a TLS handshake failed'));
  server.on('session', (session) => {
    const connection = new Connection(session, { ...limits, maxAgeMs: limits.maxConnectionAgeMs });
    connections.set(session, { connection, peer: peerOf(session.socket) });
    session.once('close', () => connections.delete(session));
  });
  server.on('stream', (stream, headers) => accept(stream, headers));

  function accept(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    stream.on('error', () => undefined);
    const { session } = stream;
    const found = session && connections.get(session);
    if (found === undefined || stream.destroyed) return;
    const { connection, peer } = found;
    const refusal = refusalOf(headers);
    if (refusal !== undefined) {
      stream.respond({ ':status': refusal, ...(refusal === 405 && { allow: 'POST' }) }, { endStream: true });
      resetSoon(stream, http2.constants.NGHTTP2_NO_ERROR);
      return;
    }
    const path = headers[':path'] ?? '';
    const call = new ServerStream(stream, limits.maxMessageBytes, (error) => {
      log.error({ path, error }, 'a gRPC method failed');
    });
    const target = targets.get(path);
    connection.add(call, target?.longLived ?? false);
    stream.once('close', () => connection.remove(call));
    serve(call, target, { ...peer, path, metadata: metadataOf(headers) }, headers).catch((error: unknown) =>
      call.fail(error),
    );
  }

  async function serve(
    call: ServerStream,
    target: Target | undefined,
    facts: CallerFacts,
    headers: IncomingHttpHeaders,
  ): Promise<void> {
    if (target === undefined) throw new RpcError(STATUS.UNIMPLEMENTED, `there is no method ${facts.path}`);
    const encoding = headers['grpc-encoding'] ?? 'identity';
    if (encoding !== 'identity') {
      throw new RpcError(STATUS.UNIMPLEMENTED, `expected grpc-encoding identity, found ${String(encoding)}`);
    }
    const timeoutMs = timeoutOf(headers);
    if (timeoutMs !== undefined) call.setDeadline(timeoutMs);
    const identity = target.anonymous ? NOBODY : await authenticate(facts);
    call.start({ identity, peer: facts.peer, metadata: facts.metadata }, () => target.open(call));
  }

  return {
    async listen(where) {
      server.listen({ ...where, backlog: BACKLOG });
      await once(server, 'listening');
      return server.address() as AddressInfo;
    },
    setSecureContext(context) {
      if (secure === undefined) throw new Error('expected a server with TLS');
      secure.setSecureContext(context);
    },
    get connections() {
      return connections.size;
    },
    async close(graceMs = limits.graceMs) {
      const closed = server.listening ? closeOf(server) : undefined;
      server.close();
      const sessions = [...connections].map(async ([session, { connection }]) => {
        const gone = session.destroyed ? undefined : closeOf(session);
        connection.drain(graceMs);
        await gone;
      });
      await Promise.all(sessions);
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Resolves when it has closed, with or without an error: `once` of node:events rejects where one comes first. */
function closeOf(emitter: EventEmitter): Promise<void> {
  return new Promise((resolve) => void emitter.once('close', () => resolve()));
}

function targetsOf(services: readonly Service[]): ReadonlyMap<string, Target> {
  const targets = new Map<string, Target>();
  for (const { name, definition: defining = name, methods = {}, raw = {}, anonymous = false } of services) {
    const defined = serviceOf(defining);
    const definitionOf = (method: string): Method => {
      const found = defined[method];
      if (found === undefined) throw new Error(`expected a method of ${name}, found ${method}`);
      return found;
    };
    for (const [method, handler] of Object.entries(methods)) {
      const definition = definitionOf(method);
      const open = (stream: ServerStream): void => serveMethod(stream, definition, handler);
      targets.set(`/${name}/${method}`, { anonymous, longLived: definition.responseStream, open });
    }
    for (const [method, handler] of Object.entries(raw)) {
      definitionOf(method);
      targets.set(`/${name}/${method}`, { anonymous, longLived: true, open: handler });
    }
  }
  return targets;
}

/** The HTTP status of what is no gRPC. */
function refusalOf(headers: IncomingHttpHeaders): number | undefined {
  if (headers[':method'] !== 'POST') return 405;
  return isGrpc(headers['content-type']) ? undefined : 415;
}

/** What is known of a connection. */
function peerOf(socket: Socket | TLSSocket): PeerFacts {
  const { remoteAddress, remotePort } = socket;
  return {
    ...(isTls(socket) && certificateOf(socket)),
    peer: remoteAddress === undefined || remotePort === undefined ? '?' : formatAddress(remoteAddress, remotePort),
    loopback: remoteAddress !== undefined && isLoopback(remoteAddress),
  };
}

function certificateOf(socket: TLSSocket): Pick<PeerFacts, 'certificate' | 'certificateFault'> {
  const certificate = socket.getPeerCertificate();
  if (socket.authorized) return { certificate };
  // Without one there is an error, too.
  const isShown = Object.keys(certificate).length > 0;
  return isShown ? { certificateFault: String(socket.authorizationError) } : {};
}

/** The socket of an HTTP/2 session is a proxy: `instanceof` and `in` don't see what it is. */
function isTls(socket: Socket | TLSSocket): socket is TLSSocket {
  return typeof (socket as Partial<TLSSocket>).getPeerCertificate === 'function';
}
