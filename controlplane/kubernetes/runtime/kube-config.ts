/** Where the API server is and who asks, by the official client's kubeconfig: it is loaded when it is first needed. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Agent as HttpAgent, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, type RequestOptions as TlsRequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { KubeError } from './errors.ts';

export interface KubeConfigOptions {
  /** Absent: `KUBECONFIG`, `~/.kube/config`, or the service account of the pod that this runs in; in this order. */
  readonly file?: string;
  /** Absent: the current one. */
  readonly context?: string;
}

/** How to reach the API server, as of now: asked for before each request, as tokens and certificates change. */
export interface Access {
  readonly server: URL;
  /** The namespace of the context. */
  readonly namespace: string;
  requestOptions(): Promise<RequestOptions>;
  close(): void;
}

/** A connection without traffic is probed after this time, and found dead some 10 s later, in ms. */
const KEEP_ALIVE_MS = 15_000;
/** Connections that are kept for the next request. */
const MAX_FREE_SOCKETS = 4;

/** @throws KubeError: there is no such file, context or cluster. */
export async function openAccess({ file, context }: KubeConfigOptions = {}): Promise<Access> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  const where = file ?? process.env['KUBECONFIG'] ?? 'the default kubeconfig';
  try {
    if (file === undefined) {
      config.loadFromDefault();
    } else {
      await readFile(file); // for an error that names the file
      config.loadFromFile(file);
    }
  } catch (error) {
    throw misfit(`${where}: ${(error as Error).message}`, error);
  }
  if (context !== undefined) config.setCurrentContext(context);
  return accessOf(config, where);
}

/** The part of `openAccess` after the file. */
export function accessOf(config: KubeConfig, where: string): Access {
  const name = config.getCurrentContext();
  const cluster = config.getCurrentCluster();
  const current = config.getContextObject(name);
  if (!current) throw misfit(`${where}: expected a context ${JSON.stringify(name)}, found none`);
  if (!cluster) throw misfit(`${where}: expected a cluster ${JSON.stringify(current.cluster)}, found none`);
  if (!URL.canParse(cluster.server)) {
    throw misfit(`${where}: expected the URL of cluster ${cluster.name}, found ${JSON.stringify(cluster.server)}`);
  }
  const server = new URL(cluster.server);
  let agent: HttpAgent | undefined;
  let made = '';
  return {
    server,
    namespace: current.namespace ?? 'default',
    async requestOptions() {
      const options: TlsRequestOptions = {};
      try {
        await config.applyToHTTPSOptions(options);
      } catch (error) {
        throw new KubeError(
          `${where}: no credentials: ${(error as Error).message.trim()}`,
          { code: 0, reason: 'Unreachable' },
          error,
        );
      }
      const { ca, cert, key, servername, rejectUnauthorized } = options;
      const id = digest([ca, cert, key, servername, rejectUnauthorized]);
      if (agent === undefined || id !== made) {
        retire(agent);
        made = id;
        agent = agentOf(options, server, cluster.proxyUrl !== undefined);
      }
      return { agent, headers: headersOf(options) };
    },
    close: () => agent?.destroy(),
  };
}

function misfit(message: string, cause?: unknown): KubeError {
  return new KubeError(message, { code: 0, reason: 'BadConfig' }, cause);
}

/** The library makes a new agent for each request, without keep-alive: ours stays for as long as the credentials do. */
function agentOf({ agent, ...options }: TlsRequestOptions, { protocol }: URL, throughProxy: boolean): HttpAgent {
  if (throughProxy && agent instanceof HttpAgent) return agent;
  const kept = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS, maxFreeSockets: MAX_FREE_SOCKETS };
  if (protocol === 'http:') return new HttpAgent(kept);
  const { ca, cert, key, servername, rejectUnauthorized } = options;
  return new HttpsAgent({
    ...kept,
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(servername !== undefined && { servername }),
    ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
  });
}

/** What runs goes on; its connections are not used again. */
function retire(agent: HttpAgent | undefined): void {
  if (!agent) return;
  agent.maxFreeSockets = 0;
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
}

function headersOf({ headers, auth }: TlsRequestOptions): Record<string, string> {
  const found: Record<string, string> = {};
  // A token may come from a file that ends with a newline.
  for (const [name, value] of Object.entries(headers ?? {})) found[name.toLowerCase()] = String(value).trim();
  if (auth) found['authorization'] ??= `Basic ${Buffer.from(auth).toString('base64')}`;
  return found;
}

function digest(parts: readonly unknown[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(Buffer.isBuffer(part) ? part : String(part)).update('\0');
  return hash.digest('base64');
}
