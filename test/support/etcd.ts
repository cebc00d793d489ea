/** A real etcd (test/gobin/etcd, built by scripts/setup-tests.sh), in a directory of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { dyingWithUs } from './dying-with-us.ts';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

const ETCD = resolve('.cache/gobin/etcd');

export class Etcd {
  readonly directory: string;
  readonly #args: readonly string[];
  #port = 0;
  #child: ChildProcess | undefined;

  private constructor(directory: string, args: readonly string[]) {
    this.directory = directory;
    this.#args = args;
  }

  static start(...args: string[]): Promise<Etcd> {
    return Etcd.startIn(mkdtempSync(join(tmpdir(), 'l7mp-etcd-')), ...args);
  }

  /** The same, with a directory that exists; `stop` removes it. */
  static async startIn(directory: string, ...args: string[]): Promise<Etcd> {
    const etcd = new Etcd(directory, args);
    etcd.#port = await freePort();
    await etcd.start();
    return etcd;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get #scheme(): string {
    return this.#args.some((arg) => arg.startsWith('--cert-file')) ? 'https' : 'http';
  }

  /** Starts it on what it had before. */
  async start(): Promise<void> {
    const url = `${this.#scheme}://${this.address}`;
    const peer = `http://127.0.0.1:${await freePort()}`;
    const child = spawn(
      ...dyingWithUs(ETCD, [
        ...['--name', 'one', '--data-dir', this.directory, '--log-level', 'error'],
        ...['--listen-client-urls', url, '--advertise-client-urls', url],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `one=${peer}`],
        ...['--unsafe-no-fsync', ...this.#args],
      ]),
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    this.#child = child;
    await once(child, 'spawn');
    await until('etcd', () => {
      if (child.exitCode !== null) throw new Error(`etcd ended with ${child.exitCode}`);
      return canConnect(this.#port);
    });
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(name);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.directory, { recursive: true });
  }

  /** etcd's JSON API, which the client under test has no part in. */
  async post(path: string, body: object, token?: string): Promise<Record<string, unknown>> {
    const headers = { connection: 'close', ...(token !== undefined && { authorization: token }) };
    const response = await fetch(`http://${this.address}/v3/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers,
    });
    const answer = (await response.json()) as Record<string, unknown>;
    if (!response.ok) throw new Error(`${path}: ${JSON.stringify(answer)}`);
    return answer;
  }
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
