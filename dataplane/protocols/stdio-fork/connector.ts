/** StdioFork, client side: starts a child, and ends it with its session. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { StdioForkCluster } from '../../../gen/l7mp/config/v1/types.ts';
import { BaseStream } from '../../core/base-stream.ts';
import { ProxyError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { Connector, ConnectorContext, ConnectRequest } from '../../core/protocol.ts';
import type { Stream } from '../../core/stream.ts';

/** The most of a session's metadata that a child's environment takes (execve(2) limits one string to 128 KiB). */
const MAX_ENVIRONMENT = 100 * 1024;

export function createConnector({ spec, log, name: cluster }: ConnectorContext<StdioForkCluster>): Connector {
  return { connect: (request) => start(spec, log, cluster, request) };
}

function start(spec: StdioForkCluster, log: Logger, cluster: string, request: ConnectRequest): Promise<Stream> {
  const metadata = JSON.stringify(request.metadata);
  const env = {
    ...process.env,
    L7MP_SESSION: request.session,
    ...(metadata.length <= MAX_ENVIRONMENT && { L7MP_METADATA: metadata }),
    ...spec.env,
  };
  return new Promise((resolve, reject) => {
    const child = spawn(spec.command, spec.args, {
      env,
      // A group of its own: what the child starts is ended with it.
      detached: true,
      stdio: ['pipe', 'pipe', spec.stderr === 'inherit' ? 'inherit' : spec.stderr === 'discard' ? 'ignore' : 'pipe'],
      ...(spec.cwd !== undefined && { cwd: spec.cwd }),
    }) as ChildProcessWithoutNullStreams;
    child.once('error', (error) => {
      const { code, message } = ProxyError.from(error, 'CONNECT_FAILED');
      reject(new ProxyError(code, `starting ${spec.command}: ${message}`, error));
    });
    child.once('spawn', () => {
      if (spec.stderr === 'log') logLines(child, log, cluster, request.session);
      resolve(new ChildStream(child, spec));
    });
  });
}

/** A child's standard error, line by line; a line without end is cut. */
function logLines(child: ChildProcessWithoutNullStreams, log: Logger, cluster: string, session: string): void {
  let rest = '';
  child.stderr.setEncoding('utf8');
  child.stderr.on('data', (text: string) => {
    const lines = `${rest}${text}`.split('\n');
    rest = (lines.pop() ?? '').slice(-4096);
    for (const line of lines) log.warn({ cluster, session, pid: child.pid, stderr: line.slice(0, 4096) }, 'child');
  });
  child.stderr.on('error', () => undefined);
}

class ChildStream extends BaseStream implements Stream {
  readonly framing = 'bytes';
  readonly reliable = true;
  readonly halfClose = true;
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly spec: StdioForkCluster;
  private killer: NodeJS.Timeout | undefined;
  private exited = false;

  constructor(child: ChildProcessWithoutNullStreams, spec: StdioForkCluster) {
    super();
    this.child = child;
    this.spec = spec;
    child.stdin.on('error', () => undefined); // a child that reads no more; its exit says the rest
    child.stdout.on('error', () => undefined);
    child.once('close', (code, signal) => {
      this.exited = true;
      clearTimeout(this.killer);
      const failed =
        code !== 0 &&
        `${spec.command} ${signal === null ? `exited with status ${code ?? 0}` : `was ended by ${signal}`}`;
      this.emitClose(failed ? new ProxyError('CHILD_EXITED', failed) : undefined);
    });
  }

  protected start(): void {
    const { stdout, stdin } = this.child;
    const { sink } = this;
    stdout.on('data', (chunk: Buffer) => sink.data(chunk, false));
    stdout.on('end', () => sink.end());
    stdin.on('drain', () => sink.drain());
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
    if (this.closed) return;
    this.child.stdin.destroy();
    this.child.stdout.destroy();
    if (!this.exited) {
      this.kill('SIGTERM');
      this.killer = setTimeout(() => this.kill('SIGKILL'), this.spec.kill_timeout);
    }
    this.emitClose(error);
  }

  private kill(signal: NodeJS.Signals): void {
    const { pid } = this.child;
    if (pid === undefined || this.exited) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // Gone in between.
    }
  }
}
