/** The built command `l7mp`, as its users run it. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Peer } from './peer.ts';
import { until } from './until.ts';

export const L7MP = resolve('bin/l7mp');

/** How long a command may run, in ms: it is killed then. */
const LIMIT = 20_000;

export interface Result {
  /** The exit code; -1 where a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `l7mp` to its end. */
export function l7mp(args: readonly string[], input: string | Buffer = '', env: object = {}): Promise<Result> {
  return runCommand(L7MP, args, input, env);
}

/** Runs a program to its end; it is killed after `limitMs`. */
export function runCommand(
  file: string,
  args: readonly string[],
  input: string | Buffer = '',
  env: object = {},
  limitMs = LIMIT,
): Promise<Result> {
  return new Promise((done, reject) => {
    const child = spawn(file, args, { env: { ...process.env, ...env }, timeout: limitMs, killSignal: 'SIGKILL' });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.stdin.on('error', () => undefined); // it may end without reading all
    child.stdin.end(input);
    child.once('error', reject);
    child.once('close', (code) => done({ code: code ?? -1, stdout, stderr }));
  });
}

/** A line of the log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly level: string; readonly msg: string };

/** `l7mp proxy` with a configuration file of its own. */
export class ProxyProcess {
  readonly directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
  readonly file = join(this.directory, 'l7mp.yaml');
  readonly peer: Peer;
  private listeners: Record<string, string> = {};
  /** Where the REST API is, as in `http://127.0.0.1:1234`. */
  api = '';

  private constructor(config: object, args: readonly string[], shell: string, runner: string) {
    this.write(config);
    const command = [L7MP, 'proxy', '-c', this.file, ...args].map((word) => `'${word}'`).join(' ');
    this.peer = new Peer('bash', ['-c', `${shell} exec ${runner} ${command}`]);
  }

  /**
   * Starts it, with the REST API on a port of its own choice unless `config` says something else. `shell`: what comes
   * first in the shell that starts it, as in `ulimit -n 64;`. `runner`: what runs it, as in `ip netns exec NAME`.
   */
  static async start(config: object, args: readonly string[] = [], shell = '', runner = ''): Promise<ProxyProcess> {
    const proxy = new ProxyProcess(config, args, shell, runner);
    try {
      const [line] = await proxy.peer.output(/^\{.*"msg":"(?:ready|waiting for the control plane)".*$/mu);
      const ready = JSON.parse(line) as { listeners: Record<string, string>; api?: string };
      proxy.listeners = ready.listeners;
      proxy.api = `http://${ready.api ?? ''}`;
      return proxy;
    } catch (error) {
      await proxy.stop();
      throw error;
    }
  }

  /** The port of the REST API. */
  get apiPort(): number {
    return portOf(this.api);
  }

  /** Replaces the file's content in place. */
  write(config: object | string): void {
    writeFileSync(this.file, typeof config === 'string' ? config : JSON.stringify(withApi(config)));
  }

  /** The port of a listener, as it was when the proxy started. */
  port(listener = 'in'): number {
    return portOf(this.listeners[listener]);
  }

  /** What it has logged so far. */
  log(): LogLine[] {
    const text = this.peer.stderr;
    const whole = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
    return whole.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as LogLine);
  }

  /** Resolves with the first line of the log with this message that comes after `skip` of the same. */
  async logged(msg: string, skip = 0): Promise<LogLine> {
    return until(`"${msg}" in the log`, () => this.log().filter((line) => line.msg === msg)[skip]);
  }

  async get(path: string): Promise<{ readonly status: number; readonly text: string }> {
    const response = await fetch(`${this.api}${path}`, { headers: { connection: 'close' } });
    return { status: response.status, text: await response.text() };
  }

  /** The sessions, as the REST API shows them. */
  async sessions(): Promise<readonly { readonly name: string; readonly status: string; readonly reason?: string }[]> {
    return JSON.parse((await this.get('/api/v1/sessions')).text) as { name: string; status: string }[];
  }

  /** How long its main thread has run, or waited for a processor: what is busy does one of both all the time, in ms. */
  get awakeMs(): number {
    const [running = 0, waiting = 0] = readFileSync(`/proc/${this.peer.pid}/schedstat`, 'utf8').split(' ').map(Number);
    return (running + waiting) / 1e6;
  }

  async stop(): Promise<void> {
    await this.peer.stop();
    rmSync(this.directory, { recursive: true });
  }
}

/** The port in `127.0.0.1:5000`. */
export function portOf(address = ''): number {
  return Number(address.slice(address.lastIndexOf(':') + 1));
}

function withApi(config: object): object {
  const { admin } = config as { admin?: object };
  return { ...config, admin: { api: { port: 0 }, ...admin } };
}
