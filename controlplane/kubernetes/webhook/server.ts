/** The server that the API server asks: /inject, and /healthz for probes. */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { ProxyError } from '../../../common/errors.ts';
import { formatAddress } from '../../../common/format-address.ts';
import type { Logger } from '../../../common/log.ts';
import { answerReview, parseReview } from './admission.ts';
import { injectSidecar } from './inject.ts';
import type { InjectorSettings } from './settings.ts';

/** A certificate and its key, in PEM, which may change. */
export interface Credentials {
  current(): { readonly cert: string; readonly key: string };
  /** Calls after each change; gives what ends that. */
  watch(changed: () => void): () => void;
}

export interface WebhookOptions {
  readonly host: string;
  readonly port: number;
  readonly credentials: Credentials;
  /** Asked for each pod, so that they may change. */
  readonly settings: () => InjectorSettings;
  readonly log: Logger;
}

export interface Webhook {
  /** As in `0.0.0.0:9443`. */
  readonly address: string;
  close(): Promise<void>;
}

const PATHS = ['/healthz', '/inject'];
/** Objects have at most 3 MB (kube-apiserver), and a review may have an old one, too; in bytes. */
const MAX_BODY = 8 * 1024 * 1024;
/** How long a request may take to arrive, in ms: the API server waits for 30 s at most. */
const REQUEST_TIMEOUT = 10_000;
const HANDSHAKE_TIMEOUT = 10_000;
/** Each API server keeps some. */
const MAX_CONNECTIONS = 500;

/** @throws Error with the system's code, as EADDRINUSE, or OpenSSL's, where the certificate can't be used. */
export async function serveWebhook(options: WebhookOptions): Promise<Webhook> {
  const { host, port, credentials, log } = options;
  const server = createServer(
    { ...credentials.current(), minVersion: 'TLSv1.2', handshakeTimeout: HANDSHAKE_TIMEOUT },
    (request, response) => void respond(request, response, options),
  );
  server.requestTimeout = REQUEST_TIMEOUT;
  server.headersTimeout = REQUEST_TIMEOUT;
  server.maxConnections = MAX_CONNECTIONS;
  server.on('tlsClientError', (error) => log.debug({ error: error.message }, 'a handshake with the webhook failed'));
  server.listen({ host, port });
  await once(server, 'listening');
  const unwatch = credentials.watch(() => renew(server, credentials, log));
  const { address, port: bound } = server.address() as AddressInfo;
  return {
    address: formatAddress(address, bound),
    close: async () => {
      unwatch();
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      // What is asked now is answered; who does not read it is not waited for.
      const timer = setTimeout(() => server.closeAllConnections(), REQUEST_TIMEOUT).unref();
      await closed;
      clearTimeout(timer);
    },
  };
}

/** New connections have the new certificate. One that can't be used changes nothing. */
function renew(server: Server, credentials: Credentials, log: Logger): void {
  try {
    server.setSecureContext({ ...credentials.current(), minVersion: 'TLSv1.2' });
  } catch (error) {
    log.error({ error: ProxyError.from(error).message }, "the webhook's new certificate can not be used");
  }
}

async function respond(request: IncomingMessage, response: ServerResponse, options: WebhookOptions): Promise<void> {
  const send = (status: number, body: string | object, headers: Readonly<Record<string, string>> = {}): void => {
    const isText = typeof body === 'string';
    const type = isText ? 'text/plain; charset=utf-8' : 'application/json';
    response.writeHead(status, { 'content-type': type, ...headers });
    response.end(request.method === 'HEAD' ? undefined : isText ? body : JSON.stringify(body));
  };
  const path = (request.url ?? '').split('?')[0] ?? '';
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (!PATHS.includes(path)) return send(404, `expected one of ${PATHS.join(', ')}\n`);
  if (path === '/healthz') return isRead ? send(200, 'ok\n') : send(405, 'expected GET\n', { allow: 'GET, HEAD' });
  if (request.method !== 'POST') return send(405, 'expected POST\n', { allow: 'POST' });
  try {
    const body = await readBody(request);
    if (body === undefined) {
      // The rest is not read: the connection can't be used again.
      return send(413, `expected at most ${MAX_BODY} bytes\n`, { connection: 'close' });
    }
    const review = parseReview(body);
    send(200, answerReview(review, injectSidecar(review, options.settings())));
  } catch (error) {
    if (response.headersSent || response.destroyed) return;
    const { code, message } = ProxyError.from(error);
    if (code === 'PROTOCOL_ERROR') return send(400, `${message}\n`);
    options.log.error({ path, error: message }, 'an admission review failed');
    send(500, `${message}\n`);
  }
}

/** Undefined where it is too long. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY) return undefined;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
