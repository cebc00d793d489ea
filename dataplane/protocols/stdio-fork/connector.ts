/** StdioFork, client side: starts a child for each session, and ends it with it. */
import { spawn, type StdioOptions } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { StdioForkCluster } from '../../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../../common/errors.ts';
import type { Connector, ConnectorContext, ConnectRequest } from '../../core/protocol.ts';
import type { Stream } from '../../core/stream.ts';
import { type Child, ChildStream } from './child-stream.ts';
import { endGroup, watchGroup } from './process-group.ts';
import { logLines } from './stderr-log.ts';

/** The most of a session's metadata that a child's environment takes (execve(2) limits one string to 128 KiB). */
const MAX_ENVIRONMENT = 100 * 1024;

export function createConnector(context: ConnectorContext<StdioForkCluster>): Connector {
  const { spec, log, name } = context;
  /** Children that are being ended. */
  const dying = new Set<Promise<void>>();

  const end = (pid: number): void => {
    const gone = endGroup(pid, spec.kill_timeout).finally(() => dying.delete(gone));
    dying.add(gone);
  };

  const connect = async (request: ConnectRequest): Promise<Stream> => {
    const child = await start(spec, request);
    const { pid } = child;
    if (pid === undefined) throw new ProxyError('CONNECT_FAILED', `starting ${spec.command}: it has no process id`);
    watchGroup(pid);
    if (child.stderr) logLines(child.stderr, log, { cluster: name, session: request.session, pid });
    const stream = new ChildStream(child, spec.command, () => end(pid));
    if (!request.signal.aborted) return stream;
    stream.destroy();
    throw ProxyError.from(request.signal.reason, 'CONNECT_FAILED');
  };

  return {
    connect,
    async close() {
      await Promise.all(dying);
    },
  };
}

/** @throws ProxyError `NOT_FOUND`, `PERMISSION_DENIED`, `NO_DESCRIPTORS`, `CONNECT_FAILED` */
function start(spec: StdioForkCluster, request: ConnectRequest): Promise<Child> {
  const { command, args, cwd } = spec;
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      const { code, message } = ProxyError.from(error, 'CONNECT_FAILED');
      // The system says ENOENT of either.
      const what = code === 'NOT_FOUND' && cwd !== undefined && !existsSync(cwd) ? `no directory ${cwd}` : message;
      reject(new ProxyError(code, `starting ${command}: ${what}`, error));
    };
    try {
      const child = spawn(command, args, {
        env: environmentOf(spec, request),
        // A process group of its own: what the child starts is ended with it.
        detached: true,
        stdio: stdioOf(spec),
        ...(cwd !== undefined && { cwd }),
      }) as Child;
      child.once('error', fail);
      child.once('spawn', () => {
        child.off('error', fail);
        // Only a signal that can't be sent is told from now on.
        child.on('error', () => undefined);
        resolve(child);
      });
    } catch (error) {
      fail(error); // an argument with a zero in it
    }
  });
}

function stdioOf({ stderr }: StdioForkCluster): StdioOptions {
  const third = { log: 'pipe', inherit: 'inherit', discard: 'ignore' } as const;
  return ['pipe', 'pipe', third[stderr]];
}

/** The proxy's own environment, the session (its metadata in JSON unless too long), and what the cluster adds. */
function environmentOf({ env }: StdioForkCluster, { session, metadata }: ConnectRequest): NodeJS.ProcessEnv {
  const json = JSON.stringify(metadata);
  return {
    ...process.env,
    L7MP_SESSION: session,
    ...(Buffer.byteLength(json) <= MAX_ENVIRONMENT && { L7MP_METADATA: json }),
    ...env,
  };
}
