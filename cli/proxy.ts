/** `l7mp proxy`: runs until it is told to stop. */
import { decodeConfig, withPlugins } from '../dataplane/config/decode.ts';
import { FileSource } from '../dataplane/config/file-source.ts';
import { loadFile } from '../dataplane/config/load.ts';
import type { ConfigSnapshot } from '../dataplane/core/config.ts';
import { FaultsError } from '../dataplane/core/errors.ts';
import { createProxy, type Proxy } from '../dataplane/main.ts';
import { type ControlPlaneFlags, controlPlaneOf } from './control-plane-flags.ts';
import { loadPlugins } from './plugins.ts';

interface ProxyOptions extends ControlPlaneFlags {
  readonly config?: string;
  readonly logLevel?: 'info';
  readonly strict?: true;
  readonly plugin?: readonly string[];
  readonly api?: boolean;
  readonly watch?: boolean;
  readonly drainTimeout?: number;
}

export async function proxy(options: ProxyOptions): Promise<void> {
  const controlPlane = controlPlaneOf(options);
  const plugins = await loadPlugins(options.plugin);
  const schema = withPlugins(plugins);
  const load = (): Promise<ConfigSnapshot> =>
    options.config === undefined ? Promise.resolve(empty()) : loadFile(options.config, { schema });
  const first = await load();
  const config = options.strict ? { ...first, admin: { ...first.admin, strict: true } } : first;
  const running = await createProxy({
    config,
    plugins,
    api: options.api ?? true,
    controlPlane,
    ...(options.logLevel && { logLevel: options.logLevel }),
  });
  const { log } = running;
  const apply = async (snapshot: ConfigSnapshot): Promise<void> => {
    await running.replace(snapshot);
    log.info({ file: options.config, listeners: listening(running) }, 'configuration reloaded');
  };
  let source: FileSource | undefined;
  if (options.config !== undefined) {
    source = new FileSource(options.config, { load, apply, log });
    if (options.watch ?? true) source.watch();
  }
  const fields = { listeners: listening(running), api: running.apiAddress, pid: process.pid };
  log.info(fields, running.ready ? 'ready' : 'waiting for the control plane');

  process.on('SIGHUP', () => {
    running.reopenLogs();
    void source?.reload();
  });
  await stopped(running, options.drainTimeout ?? config.admin.drain_timeout, () => source?.close());
}

/** Resolves when the proxy has drained after the first signal, or was cut by the second. */
export async function stopped(running: Proxy, drainTimeout: number, onStop?: () => void): Promise<void> {
  await new Promise<void>((resolve) => {
    let draining = false;
    const stop = (signal: NodeJS.Signals): void => {
      onStop?.();
      if (draining) {
        process.exit(signal === 'SIGINT' ? 130 : 143);
      }
      draining = true;
      running.log.info({ signal, sessions: [...running.sessions()].length }, 'draining');
      void running.drain(drainTimeout).then(resolve);
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

function empty(): ConfigSnapshot {
  const { value, faults } = decodeConfig({});
  if (value === undefined) throw new FaultsError(faults);
  return value;
}
