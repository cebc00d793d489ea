/** An HTTP server in the place of an API server that does what a real one can't be made to: cuts, stalls, repeats, refuses. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';
import { KubeClient } from '../../controlplane/kubernetes/runtime/client.ts';
import { accessOf } from '../../controlplane/kubernetes/runtime/kube-config.ts';
import type { KubeObject } from '../../controlplane/kubernetes/api/object.ts';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  /** By `performance.now()`. */
  readonly at: number;
}

/** Answers one request. */
export type Answer = (response: ServerResponse, asked: Asked) => void;

export class FaultyServer {
  readonly asked: Asked[] = [];
  readonly client: KubeClient;
  readonly url: string;
  readonly #server;
  #answer: Answer = (response) => sendJson(response, 404, status(404, 'NotFound'));

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    const { port } = server.address() as AddressInfo;
    const config = new KubeConfig();
    const url = (this.url = `http://127.0.0.1:${port}`);
    config.loadFromClusterAndUser(
      { name: 'faulty', server: url, skipTLSVerify: true },
      { name: 'me', token: 'secret\n' },
    );
    this.client = new KubeClient(accessOf(config, 'test'));
  }

  static async start(): Promise<FaultyServer> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const faulty = new FaultyServer(server);
    server.on('request', (request, response) => void faulty.#take(request, response));
    return faulty;
  }

  /** Each request gets the next; the last answers all that follow. */
  answer(...answers: Answer[]): void {
    this.#answer = (response, asked) => {
      const [next] = answers;
      if (answers.length > 1) answers.shift();
      next!(response, asked);
    };
  }

  /** What is connected is cut. */
  cut(): void {
    this.#server.closeAllConnections();
  }

  async stop(): Promise<void> {
    this.client.close();
    this.#server.close();
    this.cut();
    await once(this.#server, 'close');
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://test');
    const { method = '', headers } = request;
    const body = Buffer.concat(chunks).toString();
    const asked = { method, path: pathname, query: searchParams, headers, body, at: performance.now() };
    this.asked.push(asked);
    this.#answer(response, asked);
  }
}

export function sendJson(
  response: ServerResponse,
  code: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(code, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

export function status(code: number, reason: string, more: object = {}): object {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', message: `no: ${reason}`, reason, code, ...more };
}

export function refuse(code: number, reason: string, headers: Record<string, string> = {}): Answer {
  return (response) => sendJson(response, code, status(code, reason), headers);
}

/** A Service of a version. */
export function service(name: string, version: number, labels: Record<string, string> = {}): KubeObject {
  const metadata = { name, namespace: 'default', uid: `uid-${name}`, resourceVersion: `${version}`, labels };
  return { apiVersion: 'v1', kind: 'Service', metadata };
}

/** One line of a watch. */
export function line(type: string, object: object): string {
  return `${JSON.stringify({ type, object })}\n`;
}

export function bookmark(version: number, isEnd = false): string {
  const metadata = {
    resourceVersion: `${version}`,
    ...(isEnd && { annotations: { 'k8s.io/initial-events-end': 'true' } }),
  };
  return line('BOOKMARK', { kind: 'Service', apiVersion: 'v1', metadata });
}

/** A watch that has these lines and goes on; the response is for more, or to end it. */
export function stream(...lines: string[]): Answer & { response?: ServerResponse } {
  const answer: Answer & { response?: ServerResponse } = (response) => {
    answer.response = response;
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    for (const each of lines) response.write(each);
  };
  return answer;
}

/** A page of a list. */
export function page(items: readonly KubeObject[], version: number, next = ''): Answer {
  const metadata = { resourceVersion: `${version}`, ...(next !== '' && { continue: next }) };
  // As of a real one, without the kind of each.
  const bare = items.map(({ metadata: of, spec, status: is }) => ({ metadata: of, spec, status: is }));
  return (response) => sendJson(response, 200, { kind: 'ServiceList', apiVersion: 'v1', metadata, items: bare });
}
