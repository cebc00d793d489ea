/** A process that is told what to do, and tells what happened, in lines of JSON. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** An event: its name, and whatever belongs to it. */
export interface JsonEvent {
  readonly event: string;
}

export class JsonProcess {
  readonly child: ChildProcess;
  /** Resolves when it is gone. */
  readonly exit: Promise<void>;
  private readonly events: JsonEvent[] = [];
  private waiting: (() => void) | undefined;
  private ended = false;
  private errors = '';

  /** `env`: beside the variables of this process. */
  constructor(command: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const [file = '', ...args] = command;
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    this.child = child;
    child.stdin.on('error', () => undefined); // it may end without reading all
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.errors = (this.errors + text).slice(-4000)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.events.push(JSON.parse(line) as JsonEvent);
      this.waiting?.();
    });
    this.exit = new Promise((resolve) => {
      const end = (): void => {
        this.ended = true;
        this.waiting?.();
        resolve();
      };
      child.once('error', end);
      child.once('close', end);
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** The next event, which has to be this one; rejects where it ends, or `timeoutMs` pass, before. */
  async next<E extends object = object>(event: string, timeoutMs = 10_000): Promise<E & JsonEvent> {
    const deadline = Date.now() + timeoutMs;
    while (this.events.length === 0) {
      const remaining = deadline - Date.now();
      if (this.ended || remaining <= 0) {
        const what = this.ended ? 'it ended' : `nothing came in ${timeoutMs} ms`;
        throw new Error(`expected ${event} of ${this.child.spawnfile}: ${what}\n${this.errors}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, remaining);
        this.waiting = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    const found = this.events.shift();
    if (found?.event !== event) throw new Error(`expected ${event}, found ${JSON.stringify(found)}`);
    return found as E & JsonEvent;
  }

  /** Sends a command and gives its answer. */
  ask<E extends object = object>(command: object, answer = 'done', timeoutMs?: number): Promise<E & JsonEvent> {
    this.child.stdin?.write(`${JSON.stringify(command)}\n`);
    return this.next<E>(answer, timeoutMs);
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** Kills it; resolves when it is gone. */
  async stop(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exit;
  }
}
