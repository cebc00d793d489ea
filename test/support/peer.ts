/** Foreign programs that tests talk to: socat, dig, Python, … They must be there: see scripts/setup-tests.sh. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

/** The Python of the tests, with their packages. */
export const PYTHON = existsSync('.cache/venv/bin/python') ? '.cache/venv/bin/python' : 'python3';

/** The first line in which a program tells its version, for the titles of suites. A program that is missing throws. */
export function versionOf(command: string, ...args: string[]): string {
  const { stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (error) throw error;
  const lines = `${stdout}\n${stderr}`.split('\n').map((line) => line.trim());
  const line = lines.find((each) => /\d\.\d/u.test(each)) ?? command;
  return line.split(/ \(| on | {2}/u)[0] ?? line;
}

/** The version of a Python package. */
export function packageVersion(name: string): string {
  const code = `import importlib.metadata as m; print(m.version('${name}'))`;
  return `${name} ${execFileSync(PYTHON, ['-c', code], { encoding: 'utf8' }).trim()}`;
}

/** Whether somebody has a UDP port of IPv4 by now. */
export function hasUdpPort(port: number): boolean {
  return readFileSync('/proc/net/udp', 'utf8').includes(`:${port.toString(16).toUpperCase().padStart(4, '0')} `);
}

/** Whether somebody listens on a TCP port of IPv4 by now (`0A` is TCP_LISTEN of include/net/tcp_states.h). */
export function hasTcpPort(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return new RegExp(`:${hex} 00000000:0000 0A `, 'u').test(readFileSync('/proc/net/tcp', 'utf8'));
}

/** A running program. */
export class Peer {
  stdout = '';
  stderr = '';
  /** Resolves with the exit code; -1 where a signal ended it. */
  readonly exit: Promise<number>;
  private readonly child: ChildProcess;
  private readonly waiting = new Set<() => void>();
  private ended = false;

  constructor(command: string, args: readonly string[]) {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child = child;
    child.stdin.on('error', () => undefined); // it may end without reading all
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.wake();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.wake();
    });
    this.exit = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code ?? -1));
    });
    const end = (): void => {
      this.ended = true;
      this.wake();
    };
    this.exit.then(end, end);
  }

  /** Writes to its standard input. */
  write(text: string | Buffer): void {
    this.child.stdin?.write(text);
  }

  endInput(): void {
    this.child.stdin?.end();
  }

  /** Resolves with what matched when its output does. Rejects where it ends, or twenty seconds pass, before. */
  async output(pattern: RegExp): Promise<RegExpExecArray> {
    const deadline = Date.now() + 20_000;
    for (;;) {
      const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
      if (match) return match;
      if (this.ended || Date.now() > deadline) {
        throw new Error(
          `expected ${String(pattern)} of ${this.child.spawnfile}, found: ${this.stdout}\n${this.stderr}`,
        );
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.waiting.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Sends it a signal. */
  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** Kills it, and resolves when it is gone. */
  async stop(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exit;
  }

  private wake(): void {
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const resolve of waiting) resolve();
  }
}
