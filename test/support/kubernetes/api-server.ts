/** A real kube-apiserver on an etcd of its own. */
import { mkdirSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { Etcd } from '../etcd.ts';
import { freePort } from '../free-port.ts';
import type { Credentials } from './credentials.ts';
import { BIN, Program } from './program.ts';

/** The networks of services: see `Network`; without one, nobody uses their addresses. */
export interface ApiServerOptions {
  /** The address to listen at. */
  readonly host: string;
  /** As in `10.96.0.0/16`. */
  readonly services: string;
  /** Whether pods can reach it there, so that the service `kubernetes` leads to it. */
  readonly isReachable: boolean;
  /** Further flags, as in `--audit-log-path=…`. They win. */
  readonly args: readonly string[];
}

/** An answer of the API server. */
export interface ApiAnswer {
  readonly status: number;
  readonly text: string;
}

export class ApiServer {
  readonly etcd: Etcd;
  private readonly directory: string;
  private readonly credentials: Credentials;
  private readonly options: ApiServerOptions;
  /** It stays, through restarts. */
  readonly port: number;
  private program: Program | undefined;

  private constructor(
    directory: string,
    credentials: Credentials,
    options: ApiServerOptions,
    etcd: Etcd,
    port: number,
  ) {
    this.directory = directory;
    this.credentials = credentials;
    this.options = options;
    this.etcd = etcd;
    this.port = port;
  }

  static async start(directory: string, credentials: Credentials, options: ApiServerOptions): Promise<ApiServer> {
    const data = join(directory, 'etcd');
    mkdirSync(data);
    const etcd = await Etcd.startIn(data);
    const server = new ApiServer(directory, credentials, options, etcd, await freePort());
    try {
      await server.start();
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  /** As in `https://127.0.0.1:6443`. */
  get url(): string {
    return `https://${this.options.host}:${this.port}`;
  }

  get pid(): number {
    return this.program?.pid ?? 0;
  }

  /** Starts it on what it had before, and waits until it is ready. */
  async start(): Promise<void> {
    const { server, kubelet, signing, tokens } = this.credentials;
    const { host, services, isReachable, args } = this.options;
    const flags = {
      'etcd-servers': `http://${this.etcd.address}`,
      'bind-address': host,
      'secure-port': this.port,
      'advertise-address': host,
      'endpoint-reconciler-type': isReachable ? 'lease' : 'none',
      'service-cluster-ip-range': services,
      'authorization-mode': 'RBAC',
      'token-auth-file': tokens,
      'tls-cert-file': server.cert,
      'tls-private-key-file': server.key,
      'service-account-issuer': 'https://kubernetes.default.svc',
      'service-account-key-file': signing.cert,
      'service-account-signing-key-file': signing.key,
      'kubelet-client-certificate': kubelet.cert,
      'kubelet-client-key': kubelet.key,
      'kubelet-preferred-address-types': 'InternalIP',
      'allow-privileged': true,
      profiling: false,
    };
    const all = [...Object.entries(flags).map(([name, value]) => `--${name}=${value}`), ...args];
    const program = new Program(this.directory, join(BIN, 'kube-apiserver'), all);
    this.program = program;
    await program.untilReady(async () => (await this.get('/readyz').catch(() => undefined))?.status === 200);
  }

  /** Asks it, by default as one who may do everything. */
  get(path: string, token = this.credentials.token('admin')): Promise<ApiAnswer> {
    return new Promise((resolve, reject) => {
      const options = {
        ca: readFileSync(this.credentials.authority),
        headers: { authorization: `Bearer ${token}` },
        agent: false,
        timeout: 5000,
      };
      const asked = request(`${this.url}${path}`, options, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.once('end', () => resolve({ status: response.statusCode ?? 0, text }));
        response.once('error', reject);
      });
      asked.once('timeout', () => asked.destroy(new Error(`${path}: no answer within 5 s`)));
      asked.once('error', reject);
      asked.end();
    });
  }

  /** What etcd had before now can't be asked for any more. */
  async compact(): Promise<void> {
    const { header } = (await this.etcd.post('kv/range', { key: 'AA==' })) as { header: { revision: string } };
    await this.etcd.post('kv/compaction', { revision: header.revision, physical: true });
  }

  /** Ends it; etcd goes on. */
  async end(): Promise<void> {
    await this.program?.stop();
  }

  /** Kills it; etcd goes on. */
  async kill(): Promise<void> {
    await this.program?.kill();
  }

  async restart(): Promise<void> {
    await this.end();
    await this.start();
  }

  /** From now on its connections stay open, and it answers nothing. */
  pause(): void {
    this.program?.signal('SIGSTOP');
  }

  resume(): void {
    this.program?.signal('SIGCONT');
  }

  /** Ends it and etcd. */
  async stop(): Promise<void> {
    await this.kill();
    await this.etcd.stop();
  }
}
