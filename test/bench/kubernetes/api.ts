/** Requests to an API server, many at once: as many as it takes in time, and no more than some under way. */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import type { Kube } from '../../support/kubernetes/kube.ts';

/** Requests under way at once. */
const CONCURRENCY = 32;

interface Kubeconfig {
  readonly users: readonly { readonly user: { readonly token: string } }[];
}

export class Api {
  private readonly agent: Agent;
  private readonly url: string;
  private readonly authorization: string;

  constructor({ url, authority, kubeconfig }: Kube) {
    const { users } = JSON.parse(readFileSync(kubeconfig, 'utf8')) as Kubeconfig;
    this.agent = new Agent({ keepAlive: true, maxSockets: CONCURRENCY, ca: readFileSync(authority) });
    this.url = url;
    this.authorization = `Bearer ${users[0]?.user.token ?? ''}`;
  }

  /** Creates objects in the collections that they are given with, as in `/api/v1/namespaces/default/services`. */
  async create(objects: Iterable<readonly [path: string, object: object]>): Promise<void> {
    await eachOf(objects, ([path, object]) => this.send('POST', path, object, 'application/json'));
  }

  /** A JSON merge patch (RFC 7396). Resolves when the API server has answered. */
  async patch(path: string, patch: object): Promise<void> {
    await this.send('PATCH', path, patch, 'application/merge-patch+json');
  }

  close(): void {
    this.agent.destroy();
  }

  private send(method: string, path: string, content: object, type: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const headers = { authorization: this.authorization, 'content-type': type };
      const asked = request(`${this.url}${path}`, { method, headers, agent: this.agent }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text = (text + part).slice(-2000)));
        response.once('error', reject);
        response.once('end', () => {
          const status = response.statusCode ?? 0;
          if (status >= 200 && status < 300) resolve();
          else reject(new Error(`${method} ${path}: ${status} ${text}`));
        });
      });
      asked.once('error', reject);
      asked.end(JSON.stringify(content));
    });
  }
}

async function eachOf<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const rest = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (let next = rest.next(); next.done !== true; next = rest.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}
