/** The dashboard's server: who may ask, and what is answered. Requests come from the listener of `--http`. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { formatAddress } from '../../common/format-address.ts';
import { isLoopback } from '../../common/loopback.ts';
import { isOver, pause } from '../../common/signal.ts';
import { productVersion } from '../../common/version.ts';
import { EVENT_HEADERS, eventsOf } from '../../common/web/events.ts';
import { PAGE_HEADERS, webFile } from '../../common/web/files.ts';
import { intervalOf, languageOf, topicNames } from '../../common/web/queries.ts';
import { isSameOrigin, strangerFault } from '../../common/web/strangers.ts';
import type { Identity } from '../core/identity.ts';
import { type Call, RpcError, STATUS } from '../core/rpc.ts';
import { badRequest, HttpError } from '../../common/http-error.ts';
import { type Answer, failure, json, text } from './answers.ts';
import { createBridge } from './bridge.ts';
import { applyManifest, showManifest, withDifference } from './manifest.ts';
import { needsAdmin, TOPICS, topicsOf } from './topics.ts';
import type { DashboardOptions, Question } from './types.ts';

/** As of gRPC's messages. */
const MAX_BODY = 4 * 1024 * 1024;
/** What is open at once: each costs a look at what it shows, a second. */
const MAX_STREAMS = 64;
/** The most sessions of a proxy that are shown. */
const MAX_SESSIONS = 1000;
const MAX_DETAILS = 16;
const CLOSING_MS = 500;
/** A page of another origin can't send it without being asked about first, which is refused (the Fetch standard's CORS protocol). */
const OWN_HEADER = 'x-l7mp-request';

export interface Dashboard {
  handle(request: IncomingMessage, response: ServerResponse): void;
  /** Ends the streams that are open, and resolves when all that was asked is answered. */
  close(): Promise<void>;
}

export function createDashboard(options: DashboardOptions): Dashboard {
  const { service, board, figures, readObjects, log } = options;
  const bridge = createBridge(service);
  const closing = new AbortController();
  const answering = new Set<Promise<void>>();
  let streams = 0;

  async function answer(request: IncomingMessage, gone: AbortSignal): Promise<Answer> {
    const url = targetOf(request);
    const { pathname: path } = url;
    checkConnection(request, options);
    if (path === '/' || path === '/ui') return redirectTo(request, '/ui/');
    if (path.startsWith('/ui/')) return fileOf(request, path.slice('/ui/'.length));
    const identity = await callerOf(request, path, options);
    const { remoteAddress = '', remotePort = 0 } = request.socket;
    const call: Call = {
      identity,
      peer: formatAddress(remoteAddress, remotePort),
      metadata: {},
      signal: gone,
    };
    const [, method] = /^\/api\/v1\/ConfigService\/(\w+)$/u.exec(path) ?? [];
    if (method !== undefined) {
      checkMethod(request, 'POST');
      const asked = parseJson(await bodyOf(request, ['json']));
      return await bridge.answer(method, asked, call);
    }
    const [, proxy, session] = /^\/api\/v1\/proxies\/([^/]+)\/sessions\/([^/]+)$/u.exec(path) ?? [];
    if (proxy !== undefined && session !== undefined) {
      checkMethod(request, 'DELETE');
      return endSession(decoded(proxy), decoded(session), call);
    }
    switch (path) {
      case '/api/v1/dashboard': {
        checkMethod(request, 'GET');
        const { name, admin } = identity;
        return json(200, { server: 'controlplane', version: productVersion(), identity: name, admin, topics: TOPICS });
      }
      case '/api/v1/events':
        checkMethod(request, 'GET');
        return events(url.searchParams, call);
      case '/api/v1/manifest':
        return await manifest(request, url.searchParams, call);
      case '/api/v1/version':
        checkMethod(request, 'GET');
        return await version(url.searchParams, call);
      default:
        throw new HttpError(404, `expected a path of the dashboard (docs/dashboard.md), found ${path}`);
    }
  }

  async function manifest(request: IncomingMessage, query: URLSearchParams, call: Call): Promise<Answer> {
    if (request.method === 'GET') {
      const key = { kind: query.get('kind') ?? '', name: query.get('name') ?? '' };
      return await showManifest(bridge, key, call);
    }
    checkMethod(request, 'POST');
    const change = { dryRun: query.get('dry_run') === 'true', message: query.get('message') ?? '' };
    return await applyManifest(bridge, readObjects, await bodyOf(request, ['yaml', 'json']), change, call);
  }

  /** One version of the history, with what it changed in texts. */
  async function version(query: URLSearchParams, call: Call): Promise<Answer> {
    const { version: found } = await bridge.call<{ version: { changes: Parameters<typeof withDifference>[0][] } }>(
      'GetVersion',
      { number: Number(query.get('number')) },
      call,
    );
    return json(200, { ...found, changes: found.changes.map(withDifference) });
  }

  function endSession(proxy: string, session: string, { identity, peer }: Call): Answer {
    const fields = { audit: true, identity: identity.name, peer, proxy, session };
    if (!identity.admin) {
      log.warn(fields, 'the end of a session was refused');
      throw new RpcError(STATUS.PERMISSION_DENIED, `${identity.name} is not allowed to end sessions`);
    }
    if (!board.end(proxy, [session])) {
      throw new HttpError(404, `expected a proxy that reports here, found ${JSON.stringify(proxy)}`);
    }
    log.info(fields, 'a session was ended');
    return json(200, { status: 200, message: 'OK' });
  }

  function events(query: URLSearchParams, call: Call): Answer {
    const names = topicNames(query);
    const question: Question = {
      intervalMs: intervalOf(query, badRequest),
      proxy: query.get('proxy') ?? undefined,
      details: query.getAll('detail').slice(0, MAX_DETAILS),
    };
    const { identity } = call;
    if (!identity.reader && !identity.admin) {
      throw new RpcError(STATUS.PERMISSION_DENIED, `${identity.name} is not allowed to read the configuration`);
    }
    if (needsAdmin(names) && !identity.admin) {
      throw new RpcError(
        STATUS.PERMISSION_DENIED,
        `${identity.name} is not allowed to see sessions: administrators are`,
      );
    }
    topicsOf(names, question, call, { bridge, board, figures }); // what is wrong with the query is told at once
    if (streams >= MAX_STREAMS) throw new HttpError(503, `expected at most ${MAX_STREAMS} streams of events at once`);
    // From now on: many that come at once are all answered before the first of them begins.
    if (!isOver(call.signal)) {
      streams++;
      call.signal.addEventListener('abort', () => streams--, { once: true });
    }
    return {
      status: 200,
      headers: EVENT_HEADERS,
      body: async function* (gone) {
        const { intervalMs, proxy, details } = question;
        const topics = topicsOf(names, question, { ...call, signal: gone }, { bridge, board, figures });
        const sessions = names.includes('sessions') ? MAX_SESSIONS : 0;
        const leave = names.some((name) => OF_PROXIES.has(name))
          ? board.watch({ intervalMs, ...(proxy !== undefined && { proxy, sessions, details }) })
          : () => undefined;
        try {
          yield* eventsOf(topics, { intervalMs, signal: gone });
        } finally {
          leave();
        }
      },
    };
  }

  return {
    handle(request, response) {
      const gone = new AbortController();
      response.once('close', () => gone.abort());
      const signal = AbortSignal.any([gone.signal, closing.signal]);
      const answered = answer(request, signal)
        .catch(failure)
        .then((found) => send(request, response, found, signal))
        .catch((error: unknown) => {
          log.debug({ error }, 'an answer of the dashboard was cut off');
          response.destroy();
        })
        .finally(() => answering.delete(answered));
      answering.add(answered);
    },
    close: async () => {
      closing.abort();
      // Who does not take its answer is not waited for.
      await Promise.race([Promise.all(answering), pause(CLOSING_MS)]);
    },
  };
}

/** What needs proxies to report. */
const OF_PROXIES: ReadonlySet<string> = new Set(['status', 'traffic', 'faults', 'sessions', 'offload']);

async function send(
  { method }: IncomingMessage,
  response: ServerResponse,
  { status, headers, body }: Answer,
  gone: AbortSignal,
): Promise<void> {
  response.writeHead(status, { ...PAGE_HEADERS, ...headers });
  if (method === 'HEAD') {
    response.end();
    return;
  }
  if (typeof body !== 'function') {
    response.end(body);
    return;
  }
  response.flushHeaders();
  for await (const chunk of body(gone)) {
    if (isOver(gone)) break;
    if (!response.write(chunk)) await drained(response, gone);
  }
  await new Promise<void>((resolve) => {
    response.once('close', resolve).end(() => resolve());
  });
}

/** @throws HttpError where it is no path, as in `OPTIONS *`. */
function targetOf({ url = '/' }: IncomingMessage): URL {
  if (url.startsWith('/')) return new URL(`http://host${url}`);
  throw badRequest(`expected a path, found ${url}`);
}

/** A name in a path. @throws HttpError */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw badRequest(`expected a name, percent-encoded, found ${part}`);
  }
}

/** Who reads slowly is told less, not later. */
function drained(response: ServerResponse, gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (isOver(gone)) return resolve();
    const done = (): void => {
      response.off('drain', done);
      gone.removeEventListener('abort', done);
      resolve();
    };
    response.once('drain', done);
    gone.addEventListener('abort', done, { once: true });
  });
}

function isTls(socket: Socket | TLSSocket): socket is TLSSocket {
  return typeof (socket as Partial<TLSSocket>).getPeerCertificate === 'function';
}

/** Off this machine the page, too, is for those only who can show who they are without being overheard. @throws HttpError */
function checkConnection(request: IncomingMessage, { authenticates, insecure }: DashboardOptions): void {
  if (isLoopback(request.socket.remoteAddress ?? '')) return;
  if (!authenticates) {
    throw new HttpError(
      403,
      'the dashboard is shown off this machine with --tokens or --tls-client-ca only, found neither',
    );
  }
  if (!isTls(request.socket) && !insecure) {
    throw new HttpError(
      403,
      'the dashboard is shown off this machine over TLS only (--http-tls), or with --insecure; expected HTTPS, found HTTP',
    );
  }
}

/** @throws HttpError for what another page asks, RpcError where it is not known who calls. */
async function callerOf(
  request: IncomingMessage,
  path: string,
  { authenticate, authenticates }: DashboardOptions,
): Promise<Identity> {
  const { headers, method = '', socket } = request;
  const { origin, host, 'sec-fetch-site': site } = headers;
  const isRead = method === 'GET' || method === 'HEAD';
  if (!authenticates) {
    const fault = strangerFault({ local: socket.localAddress, headers: { origin, host } });
    if (fault !== undefined) throw new HttpError(403, fault);
  }
  const isForeign = origin !== undefined && !isSameOrigin(origin, host);
  if (!isRead && (isForeign || (typeof site === 'string' && !['same-origin', 'none'].includes(site)))) {
    throw new HttpError(403, `expected a request of this page, found one of ${origin ?? 'another site'}`);
  }
  if (!isRead && headers[OWN_HEADER] === undefined) {
    throw new HttpError(403, `expected the header ${OWN_HEADER}, found none`);
  }
  const { remoteAddress = '', remotePort = 0 } = socket;
  return await authenticate({
    ...certificateOf(socket),
    peer: formatAddress(remoteAddress, remotePort),
    loopback: isLoopback(remoteAddress),
    path,
    metadata: headers.authorization === undefined ? {} : { authorization: headers.authorization },
  });
}

function certificateOf(socket: Socket) {
  if (!isTls(socket)) return {};
  const certificate = socket.getPeerCertificate();
  if (socket.authorized) return { certificate };
  return Object.keys(certificate).length > 0 ? { certificateFault: String(socket.authorizationError) } : {};
}

function redirectTo(request: IncomingMessage, location: string): Answer {
  checkMethod(request, 'GET');
  return { status: 302, headers: { location, 'cache-control': 'no-store' }, body: '' };
}

function fileOf(request: IncomingMessage, name: string): Answer {
  checkMethod(request, 'GET');
  const found = webFile(name);
  if (found !== undefined) return { status: 200, ...found };
  return text(404, name === '' ? 'the dashboard is not built: npm run build\n' : 'there is no such file\n');
}

function checkMethod({ method = '' }: IncomingMessage, expected: string): void {
  if (method === expected || (expected === 'GET' && method === 'HEAD')) return;
  throw new HttpError(405, `expected ${expected}, found ${method}`);
}

/** The content type must be named, as forms of other pages can't. @throws HttpError 413, 415. */
async function bodyOf(request: IncomingMessage, languages: readonly string[]): Promise<string> {
  const { type, language = '' } = languageOf(request.headers['content-type']);
  if (!languages.includes(language)) {
    throw new HttpError(415, `expected a body of ${languages.join(' or ')}, found ${type === '' ? 'nothing' : type}`);
  }
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY) throw new HttpError(413, `expected at most ${MAX_BODY} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new HttpError(400, `expected JSON: ${error instanceof Error ? error.message : ''}`);
  }
}
