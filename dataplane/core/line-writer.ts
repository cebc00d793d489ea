/** Appends lines to stdout, stderr or a file, and never makes anyone wait: a full disk costs lines, not sessions. */
import { createWriteStream, type WriteStream } from 'node:fs';

/** Where lines go: `stdout`, `-` (stdout), `stderr`, or the path of a file. */
export type Target = string;

/** Bytes that may wait for a slow disk or reader; lines beyond are dropped, and counted. */
const MAX_PENDING = 4 * 1024 * 1024;
/** After a failed write, a file is tried again this much later, in ms. */
const RETRY_INTERVAL = 1000;

export class LineWriter {
  private readonly target: Target;
  private readonly onTrouble: (message: string) => void;
  private out: WriteStream | NodeJS.WriteStream | undefined;
  private failedAt = -Infinity;
  /** Lines that were dropped since the last one that was written. */
  private missed = 0;
  private closed = false;

  /** `onTrouble` is told once when writing fails and once when it works again. */
  constructor(target: Target, onTrouble: (message: string) => void = () => undefined) {
    this.target = target;
    this.onTrouble = onTrouble;
  }

  /** Writes a line; the newline is added. */
  write(line: string): void {
    const out = this.open();
    if (out === undefined || out.writableLength > MAX_PENDING) {
      this.missed++;
      return;
    }
    if (this.missed > 0) {
      this.onTrouble(`writing to ${this.target} works again; ${this.missed} lines were lost`);
      this.missed = 0;
    }
    out.write(`${line}\n`);
  }

  /** Opens the file anew: its old name may have been moved away. */
  reopen(): void {
    if (this.out && this.isFile) {
      (this.out as WriteStream).end();
      this.out = undefined;
    }
    this.failedAt = -Infinity;
  }

  /** Resolves when what was written is out. */
  async close(): Promise<void> {
    this.closed = true;
    const { out } = this;
    this.out = undefined;
    if (out === undefined || out.destroyed) return;
    await new Promise<void>((resolve) => {
      if (this.isFile) (out as WriteStream).once('close', resolve).end();
      else out.write('', () => resolve());
    });
  }

  private get isFile(): boolean {
    return !['stdout', 'stderr', '-'].includes(this.target);
  }

  private open(): WriteStream | NodeJS.WriteStream | undefined {
    if (this.out || this.closed) return this.out;
    if (!this.isFile) {
      const standard = this.target === 'stderr' ? process.stderr : process.stdout;
      standard.on('error', () => undefined); // a reader that went away costs lines
      this.out = standard;
      return standard;
    }
    if (Date.now() - this.failedAt < RETRY_INTERVAL) return undefined;
    const file = createWriteStream(this.target, { flags: 'a' });
    file.on('error', (error) => {
      if (this.failedAt === -Infinity || this.missed === 0)
        this.onTrouble(`writing to ${this.target}: ${error.message}`);
      this.failedAt = Date.now();
      this.missed++;
      if (this.out === file) this.out = undefined;
      file.destroy();
    });
    this.out = file;
    return file;
  }
}
