/** The built command's control plane and proxies that take their configuration from it, as processes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { l7mp, L7MP, type LogLine, type Result } from './command.ts';
import { Peer } from './peer.ts';
import { until } from './until.ts';

/** A process that logs JSON lines on stderr. */
export class LoggingProcess {
  readonly peer: Peer;

  /** `env`: what its environment has beside ours. */
  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    this.peer = new Peer('env', [...variables, L7MP, ...args]);
  }

  log(): LogLine[] {
    const text = this.peer.stderr;
    const whole = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
    return whole.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as LogLine);
  }

  /** Resolves with the first line of the log with this message; rejects with the end of the log. */
  async logged(msg: string): Promise<LogLine> {
    try {
      return await until(`"${msg}" in the log`, () => this.log().find((line) => line.msg === msg));
    } catch (error) {
      throw new Error(`${(error as Error).message}, found: ${this.peer.stderr.slice(-3000)}`, { cause: error });
    }
  }

  stop(): Promise<void> {
    return this.peer.stop();
  }
}

export class ControlPlaneProcess {
  /** For files of the test. */
  readonly directory = mkdtempSync(join(tmpdir(), 'l7mp-'));
  /** As in `127.0.0.1:1235`. */
  address = '';
  /** As in `http://127.0.0.1:1236`. */
  http = '';
  private running: LoggingProcess | undefined;
  private readonly others: LoggingProcess[] = [];

  /** Starts it on ports of its own choice, with an embedded store in its directory. */
  static async start(...args: readonly string[]): Promise<ControlPlaneProcess> {
    const controlPlane = new ControlPlaneProcess();
    try {
      await controlPlane.run('127.0.0.1:0', ...args);
      return controlPlane;
    } catch (error) {
      await controlPlane.stop();
      throw error;
    }
  }

  /** Starts it again, where it was. */
  async restart(...args: readonly string[]): Promise<void> {
    await this.process.stop();
    await this.run(this.address, ...args);
  }

  get process(): LoggingProcess {
    if (this.running === undefined) throw new Error('the control plane does not run');
    return this.running;
  }

  /** Runs `l7mp` against it. */
  l7mp(...args: readonly string[]): Promise<Result> {
    return l7mp(args, '', { L7MP_SERVER: this.address });
  }

  /** The same, with an input. */
  l7mpReading(input: string, ...args: readonly string[]): Promise<Result> {
    return l7mp(args, input, { L7MP_SERVER: this.address });
  }

  /** Writes a file, and gives its path. */
  file(name: string, content: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, content);
    return path;
  }

  /** Starts a proxy that takes its configuration from it, and waits until it is connected. */
  async proxy(id: string, ...args: readonly string[]): Promise<LoggingProcess> {
    const proxy = this.startProxy(id, ...args);
    await proxy.logged('connected to the control plane');
    return proxy;
  }

  /** The same, without waiting. */
  startProxy(id: string, ...args: readonly string[]): LoggingProcess {
    const proxy = new LoggingProcess(['proxy', '--no-api', '--controlplane', this.address, '--id', id, ...args]);
    this.others.push(proxy);
    return proxy;
  }

  async stop(): Promise<void> {
    await Promise.all(this.others.map((each) => each.stop()));
    await this.running?.stop();
    rmSync(this.directory, { recursive: true });
  }

  private async run(listen: string, ...args: readonly string[]): Promise<void> {
    const store = `embedded:${join(this.directory, 'store')}`;
    const common = ['controlplane', '--listen', listen, '--store', store, '--http', '127.0.0.1:0'];
    this.running = new LoggingProcess([...common, ...args]);
    const { address, http } = await this.running.logged('ready');
    this.address = address as string;
    this.http = `http://${http as string}`;
  }
}
