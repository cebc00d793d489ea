/** Appends lines to stdout, stderr or a file, and never makes anyone wait: a full disk costs lines, not sessions. */
import { accessSync, constants, createWriteStream, existsSync, fstatSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Writable } from 'node:stream';
import { isatty } from 'node:tty';
import { ProxyError } from './errors.ts';

/** Where lines go: `stdout`, `-` (stdout), `stderr`, or the path of a file. */
export type Target = string;

/** Bytes that may wait for a slow disk or reader; lines beyond are dropped, and counted. */
const MAX_PENDING = 4 * 1024 * 1024;
/** After a failed write, the target is tried again this much later, in ms. */
const RETRY_INTERVAL = 1000;
/** The most time that closing waits for a slow disk or reader, in ms. */
const CLOSE_TIMEOUT = 1000;

const STANDARD: Readonly<Record<string, 1 | 2>> = { stdout: 1, '-': 1, stderr: 2 };

/** Makes nothing. @throws ProxyError where lines could not go there. */
export function checkTarget(target: Target): void {
  if (target in STANDARD) return;
  try {
    const there = existsSync(target);
    if (there && statSync(target).isDirectory()) throw new ProxyError('INVALID_CONFIG', `${target} is a directory`);
    accessSync(there ? target : dirname(target), constants.W_OK | (there ? 0 : constants.X_OK));
  } catch (error) {
    throw ProxyError.from(error);
  }
}

export class LineWriter {
  private readonly target: Target;
  private readonly onTrouble: (message: string) => void;
  private out: Writable | undefined;
  /** Stops hearing `out`. */
  private detach: () => void = () => undefined;
  private failedAt = -Infinity;
  /** Lines are being lost; it was told. */
  private troubled = false;
  /** Lines that were lost since then. */
  private lost = 0;
  private lostEver = 0;
  /** The last write may have left half a line. */
  private torn = false;
  private closed = false;

  /** `onTrouble` is told once when lines are lost, and once when writing works again. */
  constructor(target: Target, onTrouble: (message: string) => void = () => undefined) {
    this.target = target;
    this.onTrouble = onTrouble;
  }

  /** Lines that were lost, ever. */
  get linesLost(): number {
    return this.lostEver;
  }

  /** Writes a line; the newline is added. */
  write(line: string): void {
    const out = this.open();
    if (out === undefined) {
      this.lose();
    } else if (out.writableLength > MAX_PENDING) {
      this.lose();
      this.trouble('too slow');
    } else {
      const start = this.torn ? '\n' : '';
      this.torn = false;
      out.write(`${start}${line}\n`, this.onWritten);
    }
  }

  /** Opens the file anew: its old name may have been moved away. What was written still goes to the old one. */
  reopen(): void {
    if (!(this.target in STANDARD)) {
      this.out?.end();
      this.out = undefined;
    }
    this.failedAt = -Infinity;
  }

  /** Resolves when what was written is out, or after a second. */
  async close(): Promise<void> {
    this.closed = true;
    const { out } = this;
    this.out = undefined;
    if (out === undefined) return;
    if (!out.destroyed) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, CLOSE_TIMEOUT);
        const done = (): void => {
          clearTimeout(timer);
          resolve();
        };
        if (isStandard(out)) out.write('', done);
        else if (this.target in STANDARD) out.end(done);
        else out.once('close', done).end();
      });
    }
    this.detach();
  }

  private readonly onWritten = (error?: Error | null): void => {
    if (error) {
      this.lose();
    } else if (this.troubled && (this.out?.writableLength ?? 0) < MAX_PENDING / 2) {
      this.troubled = false;
      this.onTrouble(`writing to ${this.target} works again; ${this.lost} lines were lost`);
      this.lost = 0;
    }
  };

  private lose(): void {
    this.lost++;
    this.lostEver++;
  }

  private trouble(why: string): void {
    if (this.troubled) return;
    this.troubled = true;
    this.onTrouble(`writing to ${this.target}: ${why}; lines are lost`);
  }

  private open(): Writable | undefined {
    if (this.out || this.closed) return this.out;
    const now = Date.now();
    if (now - this.failedAt < RETRY_INTERVAL) return undefined;
    const out = openTarget(this.target);
    if (out.destroyed) {
      this.failedAt = now; // a standard stream whose reader has gone: it doesn't come back
      return undefined;
    }
    // A file that could not be opened is as it was before; its `pending` says nothing any more when the error is told.
    const { torn } = this;
    let opened = isStandard(out);
    out.once('open', () => (opened = true));
    const onError = (error: Error): void => {
      if (this.out !== out) return;
      this.out = undefined;
      this.failedAt = Date.now();
      this.torn = torn || opened;
      this.detach();
      this.trouble(error.message);
    };
    out.on('error', onError);
    if (isStandard(out)) this.detach = () => out.off('error', onError);
    this.out = out;
    return out;
  }
}

function openTarget(target: Target): Writable {
  const fd = STANDARD[target];
  if (fd === undefined) return createWriteStream(target, { flags: 'a' });
  // Node.js itself writes to a redirected stdout synchronously: a slow disk would hold up the traffic.
  if (!isStream(fd)) return createWriteStream('', { fd, autoClose: false });
  const standard = fd === 1 ? process.stdout : process.stderr;
  // Nobody may hear its failure later on: unheard, it would end the process.
  if (!standard.listeners('error').includes(ignore)) standard.on('error', ignore);
  return standard;
}

function ignore(): void {
  // The writer that is concerned has its own listener.
}

function isStandard(out: Writable): boolean {
  return out === process.stdout || out === process.stderr;
}

/** Whether a descriptor is a terminal, a pipe or a socket: those don't block. */
function isStream(fd: number): boolean {
  if (isatty(fd)) return true;
  try {
    const stats = fstatSync(fd);
    return stats.isFIFO() || stats.isSocket();
  } catch {
    return true; // closed: writing fails, which is heard
  }
}
