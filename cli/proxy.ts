/** `l7mp proxy`: runs until it is told to stop. */
import { isDeepStrictEqual } from 'node:util';
import type { Admin } from '../gen/l7mp/config/v1/types.ts';
import { emptySnapshot, withPlugins } from '../config/decode.ts';
import { FileSource } from '../config/file-source.ts';
import { loadAside } from '../config/load-aside.ts';
import type { ConfigSnapshot } from '../config/snapshot.ts';
import { type Pages, servePages } from '../common/http-pages.ts';
import { readOtelSettings, TRACES_PER_SECOND } from '../common/telemetry/otel-settings.ts';
import { LONGEST_TIMER } from '../common/timer.ts';
import { createProxy, type Proxy } from '../dataplane/main.ts';
import { type ControlPlaneFlags, controlPlaneOf } from './control-plane-flags.ts';
import { endSoon, UsageError } from './exit.ts';
import { ofFile } from './in-file.ts';
import { toAddress } from './listen-address.ts';
import { loadPlugins } from './plugins.ts';

interface ProxyOptions extends ControlPlaneFlags {
  readonly config?: string;
  readonly logLevel?: Admin['log_level'];
  readonly strict?: true;
  readonly plugin?: readonly string[];
  readonly api?: boolean;
  readonly watch?: boolean;
  readonly http?: string;
  readonly drainTimeout?: number;
}

export async function proxy(options: ProxyOptions): Promise<void> {
  const controlPlane = controlPlaneOf(options);
  const { config: file } = options;
  const probed = options.http === undefined ? undefined : toAddress('--http', options.http);
  if (file === undefined && controlPlane === undefined && options.api === false) {
    throw new UsageError('expected -c FILE or --controlplane beside --no-api, found neither: there is nothing to do');
  }
  // grpc-js names servers by their IP addresses, too, which Node.js warns of once: whoever runs it can do nothing about it.
  if (controlPlane?.plaintext === false) process.noDeprecation = true;
  const plugins = await loadPlugins(options.plugin);
  const schema = withPlugins(plugins.map(({ protocol }) => protocol));
  const source = file === undefined ? undefined : new FileSource(file, (text) => loadAside(text, { schema }));
  const first = file === undefined || !source ? emptySnapshot() : await ofFile(file, source.load());
  const config = options.strict ? { ...first, admin: { ...first.admin, strict: true } } : first;
  const running = await createProxy({
    config,
    reloads: source,
    plugins,
    api: options.api ?? true,
    controlPlane,
    id: options.id,
    otel: readOtelSettings(process.env, TRACES_PER_SECOND),
    ...(options.logLevel && { logLevel: options.logLevel }),
  });
  const { log } = running;
  // Waiting for a signal keeps no process alive, and one that is not to watch its file may have nothing else to do yet.
  const awake = setInterval(() => undefined, LONGEST_TIMER);
  let pages: Pages | undefined;
  try {
    pages = probed && (await servePages(probed, { ready: () => running.ready, metrics: running.metrics }));
    const apply = async (snapshot: ConfigSnapshot): Promise<void> => {
      await running.replace(snapshot);
      log.info({ file, listeners: listening(running) }, 'configuration reloaded');
      const fields = changedFields(first.admin, snapshot.admin);
      if (fields.length > 0) log.warn({ file, fields }, 'these fields of admin take effect with the next start');
    };
    source?.follow({ apply, log }, options.watch ?? true);
    process.on('SIGHUP', () => {
      running.reopenLogs();
      void source?.reload();
    });
    const end = stopped(running, options.drainTimeout ?? config.admin.drain_timeout, () => source?.close());
    // Who reads this may send a signal at once.
    const fields = { listeners: listening(running), api: running.apiAddress, http: pages?.address, pid: process.pid };
    log.info(fields, running.ready ? 'ready' : 'waiting for the control plane');
    await end;
  } catch (error) {
    source?.close();
    await Promise.allSettled([running.close()]); // what failed first is what is told
    throw error;
  } finally {
    clearInterval(awake);
    await pages?.close(); // until all has drained, probes are told that it is on its way out
  }
  // A file system that does not answer holds the process by the thread that waits for it, which process.exit waits for, too.
  endSoon(() => {
    process.removeAllListeners('SIGTERM');
    process.kill(process.pid, 'SIGTERM');
  });
}

/** Resolves when the proxy has drained after the first signal, or was cut by the second. */
export async function stopped(running: Proxy, drainTimeout: number, onStop?: () => void): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let draining = false;
    const stop = (signal: NodeJS.Signals): void => {
      onStop?.();
      if (draining) {
        running.abandonKernel();
        process.exit(signal === 'SIGINT' ? 130 : 143);
      }
      draining = true;
      const live = [...running.sessions()].filter(({ status }) => status !== 'DESTROYED');
      running.log.info({ signal, sessions: live.length }, 'draining');
      running.drain(drainTimeout).then(resolve, reject);
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
}

function listening(running: Proxy): Record<string, string> {
  return Object.fromEntries(
    [...running.snapshot.listeners.keys()].map((name) => [name, running.addressOf(name) ?? '']),
  );
}

/** Fields that differ from those that the process was started with. */
function changedFields(before: Admin, now: Admin): string[] {
  return (Object.keys({ ...before, ...now }) as (keyof Admin)[]).filter(
    (field) => !isDeepStrictEqual(before[field], now[field]),
  );
}
