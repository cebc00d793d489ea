/** A child's standard input and output as Stream. */
import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { BaseStream } from '../../core/base-stream.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { Stream } from '../../core/stream.ts';

/** How long the end of a child's output waits for its exit, which may say that it failed, in ms. */
const EXIT_GRACE = 100;

/** A child with the streams that it was started with; its standard error is the log's, or is absent. */
export type Child = ChildProcessByStdio<Writable, Readable, Readable | null>;

export class ChildStream extends BaseStream implements Stream {
  readonly framing = 'bytes';
  readonly reliable = true;
  readonly halfClose = true;
  private readonly child: Child;
  private readonly onGone: () => void;
  /** The output has ended, and that isn't told yet. */
  private grace: NodeJS.Timeout | undefined;

  /** `command`: as errors name it. `onGone`: the session has done with the child, or the child has ended. */
  constructor(child: Child, command: string, onGone: () => void) {
    super();
    this.child = child;
    this.onGone = onGone;
    // A child that reads no more, or closes its output: its exit says the rest.
    child.stdin.on('error', () => undefined);
    child.stdout.on('error', () => undefined);
    // It has ended, and nobody else (whom it started) writes to its output any more.
    child.once('close', (code, signal) => {
      const error = exitError(command, code, signal);
      if (!error && this.grace) this.endOutput();
      this.finish(error);
    });
  }

  protected start(): void {
    const { stdout, stdin } = this.child;
    const { sink } = this;
    stdout.on('data', (chunk: Buffer) => sink.data(chunk, false));
    stdout.on('end', () => {
      if (this.closed) return;
      // Mostly it ends because the child does, in which case its exit is the end; it may also have closed it.
      this.grace = setTimeout(() => this.endOutput(), EXIT_GRACE);
    });
    stdin.on('drain', () => {
      if (!this.closed) sink.drain();
    });
    // Writers that wait for a child that closed its input would wait for ever.
    stdin.on('close', () => {
      if (!this.closed) sink.drain();
    });
  }

  private endOutput(): void {
    clearTimeout(this.grace);
    this.grace = undefined;
    this.sink.end();
  }

  write(chunk: Buffer): boolean {
    const { stdin } = this.child;
    return stdin.destroyed || stdin.writableEnded || stdin.write(chunk);
  }

  end(): void {
    this.child.stdin.end();
  }

  pause(): void {
    this.child.stdout.pause();
  }

  resume(): void {
    this.child.stdout.resume();
  }

  destroy(error?: ProxyError): void {
    this.child.stdin.destroy();
    this.child.stdout.destroy();
    this.finish(error);
  }

  private finish(error: ProxyError | undefined): void {
    if (this.closed) return;
    clearTimeout(this.grace);
    this.onGone();
    this.emitClose(error);
  }
}

function exitError(command: string, code: number | null, signal: NodeJS.Signals | null): ProxyError | undefined {
  if (code === 0) return undefined;
  const how = signal === null ? `exited with status ${code ?? 'unknown'}` : `was ended by ${signal}`;
  return new ProxyError('CHILD_EXITED', `${command} ${how}`);
}
