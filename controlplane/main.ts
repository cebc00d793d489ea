/** The control plane: its parts are made and joined here, and nowhere else. */
import { formatAddress } from '../common/format-address.ts';
import { type Pages, type PagesSource, type PagesTls, servePages } from '../common/http-pages.ts';
import { ProxyError } from '../common/errors.ts';
import type { ProcessLogger } from '../common/telemetry/log.ts';
import { createMetricsPage } from '../common/telemetry/metrics-page.ts';
import type { OtelSettings } from '../common/telemetry/otel-settings.ts';
import { isLoopback } from '../common/loopback.ts';
import { expiryOf } from '../common/tls.ts';
import { Closing } from './closing.ts';
import { type Configuration, createConfiguration } from './configuration.ts';
import type { Dashboard } from './dashboard/server.ts';
import type { Catalog } from './core/catalog.ts';
import { RpcError, STATUS } from './core/rpc.ts';
import { StoreError } from './core/store.ts';
import { createGrpcServer } from './rpc/server.ts';
import { createHealth } from './rpc/health.ts';
import { createReflection } from './rpc/reflection.ts';
import type { SourceFactory } from './model/source.ts';
import { createSecurity, type Security, type SecurityOptions } from './security/index.ts';
import type { Kubernetes, KubernetesOptions } from './kubernetes/main.ts';
import type { Credentials } from './kubernetes/webhook/server.ts';
import { storeFault } from './live/committer.ts';
import type { BackupFunctions } from './service/model.ts';
import { backup, restore } from './store/backup.ts';
import type { KubernetesAccess } from './store/kubernetes/api.ts';
import { openStore } from './store/open.ts';
import type { ControlPlaneExports } from './telemetry/exports.ts';
import type { Figures } from './telemetry/metrics.ts';
import { ControlPlaneTotals } from './telemetry/totals.ts';
import { Folder } from './sources/folder.ts';
import { createDiscoveryService } from './xds/service.ts';
import { createView } from './xds/view.ts';

export interface Address {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

export interface ControlPlaneOptions {
  /** Where proxies and commands connect. */
  readonly listen: Address;
  /** `embedded:DIRECTORY`, `etcd://HOST:PORT,…/PREFIX` or `kubernetes:NAMESPACE/NAME`. */
  readonly store: string;
  /** A directory of files with objects. */
  readonly folder?: string;
  /** Checked by `listeningFaults` before. */
  readonly security: SecurityOptions;
  /** Its name among replicas. */
  readonly id: string;
  /** Connections end after so long, in ms. */
  readonly maxConnectionAgeMs: number;
  /** How long proxies keep what nothing refers to any more, in ms: see `StreamLimits`. */
  readonly removalDelayMs: number;
  /** How a store in Kubernetes is reached; absent: as `KubernetesOptions.kubeconfig`. */
  readonly kubeconfig?: string;
  /** The cluster of Kubernetes that is followed: its objects are configuration, and its tokens tell who calls. */
  readonly kubernetes?: Omit<KubernetesOptions, 'log' | 'injects'>;
  /** Where its webhook listens, which puts sidecars beside pods. */
  readonly webhook?: Address;
  /** Where /ready, /healthz, /metrics and the dashboard are. */
  readonly http?: Address;
  /** There over TLS, with the certificate of `listen`. Default: false. */
  readonly httpTls?: boolean;
  readonly log: ProcessLogger;
  /** What is exported by OTLP: nothing when absent. */
  readonly otel?: OtelSettings | undefined;
}

/** A running control plane. */
export interface ControlPlane {
  /** Where it listens, as in `127.0.0.1:1235`. */
  readonly address: string;
  readonly httpAddress: string | undefined;
  /** Reads certificates, tokens and the folder again where they have changed. */
  reload(): Promise<void>;
  /**
   * Sends proxies elsewhere, gives calls `graceMs` to end, and ends: all of it, whatever fails on the way.
   *
   * @throws what failed first, when it has ended.
   */
  close(graceMs: number): Promise<void>;
}

/**
 * Starts a control plane.
 *
 * @throws ProxyError, FaultsError: a file of the options is bad. RangeError: the store's URL is; StoreError: the store
 * can't be opened. Error with the system's code: it can't listen, or read the folder. Nothing is left behind then.
 */
export async function createControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { log, id } = options;
  const closing = new Closing(log);
  try {
    const exported = options.otel && (await openExportsOf(options.otel, options));
    if (exported) closing.add('telemetry', () => exported.close());

    const kubernetes = options.kubernetes && (await openKubernetesAt(options.kubernetes, options));
    if (kubernetes) closing.add('kubernetes', () => kubernetes.close());

    const security = await createSecurity(securityOf(options, kubernetes), log);
    closing.add('security', () => security.close());

    const store = await openStore(options.store, log, () => accessOf(options));
    closing.add('store', () => store.close());

    const replicated = !options.store.startsWith('embedded:');
    const configuration = createConfiguration({
      store,
      log,
      id,
      replicated,
      createView,
      tracing: exported?.tracing,
      ...backups,
      sources: [...sourcesOf(options), ...(kubernetes ? [kubernetes.source] : [])],
    });
    closing.add('configuration', () => configuration.close());
    await configuration.start();

    const totals = new ControlPlaneTotals();
    const catalog = counted(configuration.catalog, (event) => {
      totals.observe(event, exported?.tracing?.observe(event));
    });
    const limits = { removalDelayMs: options.removalDelayMs };
    const discovery = createDiscoveryService({ catalog, identifier: id, log, limits });
    const services = [...configuration.services, discovery];
    const names = services.map(({ name }) => name);
    const health = createHealth(names);

    const { tls, authenticate } = security;
    const server = createGrpcServer({
      services: [...services, health.service, ...createReflection([...names, health.service.name])],
      authenticate,
      log,
      limits: { maxConnectionAgeMs: options.maxConnectionAgeMs },
      ...(tls && { tls: { ...tls, requestCert: tls.ca !== undefined } }),
    });
    const heardOfTls = new Set<() => void>();
    security.onTls = (files) => {
      server.setSecureContext(files);
      for (const listener of heardOfTls) listener();
    };
    if (kubernetes && options.webhook) {
      const webhook = await kubernetes.serveWebhook(options.webhook, credentialsOf(security, kubernetes, heardOfTls));
      closing.add('webhook', () => webhook.close());
    }

    let pages: Pages | undefined;
    let ready = false;
    const setReady = (now: boolean): void => {
      ready = now;
      for (const name of ['', ...names]) health.set(name, now ? 'SERVING' : 'NOT_SERVING');
    };
    const figures = (): Figures => ({
      ...configuration.figures(),
      linesLost: log.linesLost,
      connections: server.connections,
      totals,
      certificateExpiry: expiryOf((security.tls ?? kubernetes?.certificates?.current)?.cert ?? ''),
      kubernetes: kubernetes?.figures(),
    });
    const metrics = createMetricsPage(async () => {
      const { controlPlaneMetrics } = await import('./telemetry/metrics.ts'); // with the SDK
      return controlPlaneMetrics(figures, exported?.otlp.ownMetrics);
    }, 'l7mp-controlplane');
    exported?.follow(figures);
    if (options.http) {
      const dashboard = await openDashboard(configuration, security, options);
      const source = {
        ready: () => ready,
        metrics,
        others: (...exchange) => dashboard.handle(...exchange),
      } satisfies PagesSource;
      pages = await servePages(options.http, source, options.httpTls ? httpTlsOf(security) : undefined);
      const served = pages;
      heardOfTls.add(() => security.tls && served.setSecureContext(security.tls));
      closing.add('pages', async () => {
        await dashboard.close();
        await served.close();
      });
    }
    // The first to close: probes see the others while calls end.
    closing.add('server', (graceMs) => server.close(graceMs));

    const bound = await server.listen(options.listen);
    setReady(true);
    return {
      address: formatAddress(bound.address, bound.port),
      httpAddress: pages?.address,
      reload: async () => {
        await Promise.all([security.reload(), configuration.reload()]);
      },
      close: async (graceMs) => {
        setReady(false);
        await closing.run(graceMs);
      },
    };
  } catch (error) {
    await closing.run(0).catch(() => undefined); // it is in the log: what went wrong first is what is thrown
    throw error;
  }
}

async function openExportsOf(otel: OtelSettings, { id, log }: ControlPlaneOptions): Promise<ControlPlaneExports> {
  const { openExports } = await import('./telemetry/exports.ts');
  return openExports(otel, id, log);
}

/** Checked by the command before: without a certificate there is no TLS. */
function httpTlsOf({ tls }: Security): PagesTls {
  if (tls === undefined)
    throw new ProxyError('INVALID_CONFIG', '--http-tls: expected --tls-cert and --tls-key beside it');
  return { ...tls, requestCert: tls.ca !== undefined };
}

async function openDashboard(
  { services, board, figures }: Configuration,
  { authenticate, authenticates }: Security,
  { security: { insecure = false }, log }: ControlPlaneOptions,
): Promise<Dashboard> {
  const [{ createDashboard }, { readObjects }] = await Promise.all([
    import('./dashboard/server.ts'),
    import('./sources/object-file.ts'),
  ]);
  const service = services.find(({ name }) => name === 'l7mp.admin.v1.ConfigService');
  if (service === undefined) throw new Error('there is no configuration service');
  return createDashboard({ service, board, figures, readObjects, authenticate, authenticates, insecure, log });
}

/** It is loaded when it is used: the official client takes a while. */
async function openKubernetesAt(
  options: NonNullable<ControlPlaneOptions['kubernetes']>,
  { webhook, log }: ControlPlaneOptions,
): Promise<Kubernetes> {
  const { openKubernetes } = await import('./kubernetes/main.ts');
  return await openKubernetes({ ...options, injects: webhook !== undefined, log });
}

/** A client of its own: what it is asked ends with the store, which is the last to end. */
async function accessOf({ kubeconfig, log }: ControlPlaneOptions): Promise<KubernetesAccess> {
  const { openStoreAccess } = await import('./kubernetes/store-access.ts');
  return await openStoreAccess(kubeconfig === undefined ? {} : { file: kubeconfig }, log);
}

/** In plain text on loopback, as without Kubernetes, unless a certificate is there. */
function securityOf({ security }: ControlPlaneOptions, kubernetes: Kubernetes | undefined): SecurityOptions {
  if (kubernetes === undefined) return security;
  const { review, rolesOf, certificates } = kubernetes;
  const isPlain = security.insecure === true || isLoopback(security.host);
  return { ...security, review, rolesOf, ...(certificates && !isPlain && { certificate: certificates }) };
}

/** What the webhook shows: the same certificate, or, where proxies come in plain text, the one that they would be shown. */
function credentialsOf(
  security: Security,
  { certificates }: Pick<Kubernetes, 'certificates'>,
  listeners: Set<() => void>,
): Credentials {
  certificates?.onChange(() => {
    if (security.tls === undefined) for (const listener of listeners) listener();
  });
  return {
    current: () => {
      const shown = security.tls ?? certificates?.current;
      if (shown === undefined) throw new Error('expected a certificate for the webhook, found none');
      return shown;
    },
    watch: (changed) => {
      listeners.add(changed);
      return () => void listeners.delete(changed);
    },
  };
}

function sourcesOf({ folder, log }: ControlPlaneOptions): SourceFactory[] {
  return folder === undefined ? [] : [(host) => new Folder(folder, { log, host })];
}

/** Backups of the store, as the configuration service gives them out and takes them. */
const backups: BackupFunctions = {
  backup: async (store, write) => {
    await backup(store, (text) => write(Buffer.from(text)));
  },
  restore: async (store, read) => {
    try {
      return await restore(store, read);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      throw error.code === 'CORRUPT' ? new RpcError(STATUS.INVALID_ARGUMENT, error.message) : storeFault(error, 0);
    }
  },
};

/** The catalog, whose events are counted, too. */
function counted(catalog: Catalog, observe: Catalog['observe']): Catalog {
  return {
    attach: (node) => catalog.attach(node),
    detach: (id) => catalog.detach(id),
    observe: (event) => {
      observe(event);
      catalog.observe(event);
    },
    get onMove() {
      return catalog.onMove;
    },
    set onMove(listener) {
      catalog.onMove = listener;
    },
  };
}
