/** What probes and Prometheus ask for, over HTTP or HTTPS: /healthz, /ready and /metrics; and what else a server has there. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import { formatAddress } from './format-address.ts';
import type { MetricsPage } from './telemetry/metrics-format.ts';

export interface PagesSource {
  /** Whether it serves what it is for. */
  readonly ready: () => boolean;
  readonly metrics: MetricsPage;
  /** Answers all other paths. Absent: there are none. */
  readonly others?: (request: IncomingMessage, response: ServerResponse) => void;
}

export interface PagesTls extends SecureContextOptions {
  /** Clients may show a certificate, which `ca` must have signed. Default: false. */
  readonly requestCert?: boolean;
}

export interface Pages {
  /** As in `127.0.0.1:1236`. */
  readonly address: string;
  /** New connections get this certificate. Does nothing without TLS. */
  setSecureContext(context: SecureContextOptions): void;
  close(): Promise<void>;
}

/** How long a request may take to arrive, in ms. */
const REQUEST_TIMEOUT = 10_000;
const MAX_CONNECTIONS = 200;

/** @throws Error with the system's code, as EADDRINUSE. */
export async function servePages(
  where: { host: string; port: number },
  source: PagesSource,
  tls?: PagesTls,
): Promise<Pages> {
  const serve = (request: IncomingMessage, response: ServerResponse): void => void answer(request, response, source);
  // Who shows no certificate may have a token.
  const secure =
    tls && createSecureServer({ requestTimeout: REQUEST_TIMEOUT, rejectUnauthorized: false, ...tls }, serve);
  const server = secure ?? createServer({ requestTimeout: REQUEST_TIMEOUT }, serve);
  server.maxConnections = MAX_CONNECTIONS;
  // Without a host Node.js takes all addresses, also where there is no IPv6.
  server.listen(where.host === '::' ? { port: where.port } : where);
  await once(server, 'listening');
  const { address, port } = server.address() as AddressInfo;
  return {
    address: formatAddress(address, port),
    setSecureContext: (context) => secure?.setSecureContext(context),
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, source: PagesSource): Promise<void> {
  const { ready, metrics, others } = source;
  const send = (status: number, text: string, headers: Readonly<Record<string, string>> = {}): void => {
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...headers });
    response.end(request.method === 'HEAD' ? undefined : text);
  };
  const path = (request.url ?? '').split('?')[0] ?? '';
  if (!PATHS.includes(path)) {
    if (others) others(request, response);
    else send(404, `expected one of ${PATHS.join(', ')}\n`);
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    send(405, 'expected GET\n', { allow: 'GET, HEAD' });
  } else if (path === '/metrics') {
    try {
      const { text, contentType } = await metrics(request.headers.accept);
      send(200, text, { 'content-type': contentType });
    } catch (error) {
      send(500, `${String(error)}\n`);
    }
  } else if (path === '/ready' && !ready()) {
    send(503, 'not ready\n');
  } else {
    send(200, 'ok\n');
  }
}

const PATHS = ['/healthz', '/ready', '/metrics'];
