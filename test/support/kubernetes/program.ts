/** A part of Kubernetes as a process of its own, which logs to a file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { dyingWithUs } from '../dying-with-us.ts';
import { until } from '../until.ts';

/** Where `scripts/setup-tests.sh` puts what it builds. */
export const BIN = resolve('.cache/gobin');
/** How long a part may take until it is ready, in ms: on a busy machine. */
const LIMIT = 90_000;
/** How long it may take to end by itself, in ms. */
const GRACE = 2000;

export class Program {
  readonly name: string;
  /** The file that it logs to. */
  readonly log: string;
  private readonly child: ChildProcess;
  private readonly gone: Promise<unknown>;

  /** `runner`: what runs it, as in `nsenter …`. Its log goes on where an earlier one of its name ended. */
  constructor(directory: string, file: string, args: readonly string[], runner: readonly string[] = []) {
    this.name = basename(file);
    this.log = join(directory, `${this.name}.log`);
    const [first = file, ...rest] = [...runner, file, ...args];
    const out = openSync(this.log, 'a');
    try {
      this.child = spawn(...dyingWithUs(first, rest), { stdio: ['ignore', out, out], cwd: directory });
    } finally {
      closeSync(out);
    }
    this.gone = once(this.child, 'close');
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Resolves when `look` gives true; rejects, with the end of its log, where it ends before or takes too long. */
  async untilReady(look: () => boolean | Promise<boolean>): Promise<void> {
    try {
      await until(
        `${this.name} to be ready`,
        () => {
          if (this.hasEnded) throw new Error(`expected ${this.name} to run, found that it has ended`);
          return look();
        },
        LIMIT,
      );
    } catch (error) {
      throw new Error(readFileSync(this.log, 'utf8').slice(-3000), { cause: error });
    }
  }

  /** Resolves when its log has a line that matches. */
  untilLogged(pattern: RegExp): Promise<void> {
    return this.untilReady(() => pattern.test(readFileSync(this.log, 'utf8')));
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** Ends it as its operator would. */
  async stop(): Promise<void> {
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), GRACE);
    await this.gone;
    clearTimeout(timer);
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.gone;
  }
}
