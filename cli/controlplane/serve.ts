/** `l7mp controlplane`: runs until it is told to stop. */
import { hostname } from 'node:os';
import { type ControlPlane, type ControlPlaneOptions, createControlPlane } from '../../controlplane/main.ts';
import { StoreError } from '../../controlplane/core/store.ts';
import { KubeError } from '../../controlplane/kubernetes/runtime/errors.ts';
import { listeningFaults } from '../../controlplane/security/listening.ts';
import { createLogger, type LogLevel } from '../../common/telemetry/log.ts';
import { readOtelSettings } from '../../common/telemetry/otel-settings.ts';
import { ProxyError } from '../../common/errors.ts';
import { ApiError, endSoon, UsageError } from '../exit.ts';
import { toAddress } from '../listen-address.ts';
import { kubernetesFaults, kubernetesOf } from './kubernetes-options.ts';

interface ServeOptions {
  readonly listen: string;
  readonly store: string;
  readonly folder?: string;
  readonly kubernetes?: true;
  readonly kubeconfig?: string;
  readonly namespace?: string;
  readonly gatewayDefaults?: string;
  readonly webhookListen?: string;
  readonly sidecarEnv?: string;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsClientCa?: string;
  readonly admins?: readonly string[];
  readonly readers?: readonly string[];
  readonly tokens?: string;
  readonly insecure?: true;
  readonly id?: string;
  readonly maxConnectionAge: number;
  readonly removalDelay: number;
  readonly http?: string;
  readonly httpTls?: true;
  readonly logLevel: LogLevel;
  readonly drainTimeout: number;
}

export async function serve(options: ServeOptions): Promise<void> {
  const {
    listen,
    http,
    httpTls,
    id,
    logLevel,
    drainTimeout,
    maxConnectionAge,
    removalDelay: removalDelayMs,
    ...others
  } = options;
  const where = toAddress('--listen', listen);
  const security = { ...others, host: where.host };
  const faults = [...listeningFaults(security), ...kubernetesFaults(options), ...httpFaults(options)];
  if (faults.length > 0) throw new UsageError(...faults);
  const kubernetes = options.kubernetes && (await kubernetesOf(options));
  const otel = readOtelSettings(process.env); // changes are few, and each matters
  const log = createLogger(logLevel, 'stderr');
  const settings: ControlPlaneOptions = {
    listen: where,
    store: options.store,
    security,
    id: id ?? `${hostname()}:${where.port}`,
    maxConnectionAgeMs: maxConnectionAge === 0 ? Infinity : maxConnectionAge,
    removalDelayMs,
    log,
    otel,
    ...(options.folder !== undefined && { folder: options.folder }),
    ...(kubernetes && { kubernetes }),
    ...(options.webhookListen !== undefined && { webhook: toAddress('--webhook-listen', options.webhookListen) }),
    ...(options.kubeconfig !== undefined && { kubeconfig: options.kubeconfig }),
    ...(http !== undefined && { http: toAddress('--http', http) }),
    ...(httpTls && { httpTls }),
  };
  let running: ControlPlane;
  try {
    running = await createControlPlane(settings);
  } catch (error) {
    await log.close();
    if (error instanceof RangeError)
      throw new UsageError(...error.message.split('\n').map((line) => `--store: ${line}`));
    if (error instanceof KubeError) throw new ApiError(`--kubernetes: ${error.message}`);
    throw error instanceof StoreError ? ProxyError.from(error) : error;
  }
  const { address, httpAddress } = running;
  process.on('SIGHUP', () => {
    log.reopen();
    void running.reload();
  });
  const end = stopped(running, drainTimeout, log);
  // Who reads this may send a signal at once.
  log.info({ address, http: httpAddress, store: options.store, pid: process.pid }, 'ready');
  await end;
  await log.close();
  endSoon(); // a collector that does not answer would hold the process for its timeout
}

function httpFaults({ http, httpTls, tlsCert, kubernetes }: ServeOptions): string[] {
  if (!httpTls) return [];
  return [
    ...(http === undefined ? ['--http-tls: expected --http beside it, found none'] : []),
    ...(tlsCert === undefined && !kubernetes
      ? ['--http-tls: expected --tls-cert and --tls-key beside it, found neither']
      : []),
  ];
}

/** Resolves when it has drained after the first signal; the second ends the process. */
async function stopped(
  running: ControlPlane,
  drainTimeout: number,
  log: ReturnType<typeof createLogger>,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let draining = false;
    const stop = (signal: NodeJS.Signals): void => {
      if (draining) process.exit(signal === 'SIGINT' ? 130 : 143);
      draining = true;
      log.info({ signal }, 'draining');
      running.close(drainTimeout).then(resolve, reject);
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
}
