/** What the control plane has of Kubernetes: its parts are made and joined here. */
import type { Logger } from '../../common/log.ts';
import type { RoleReviewer, TokenReviewer } from '../core/identity.ts';
import type { KubernetesFigures, WorkFigures } from '../core/kubernetes-figures.ts';
import type { SourceFactory } from '../model/source.ts';
import { CLUSTER_ROLE } from './api/core-types.ts';
import { CONTROL_PLANE, CONTROLLER_NAME, controlPlaneAddress } from './api/names.ts';
import type { OwnerReference } from './api/object.ts';
import type { KubeReader, KubeTranslation } from './api/reader.ts';
import { Authorities, BY_INJECTION, injectionOf } from './authorities.ts';
import { CertificateManager } from './certificates/manager.ts';
import { trustedByWebhook } from './certificates/webhook-trust.ts';
import { BY_SERVICE, serviceOf } from './endpoints-feed.ts';
import { translateGateways } from './gateway/translate.ts';
import type { InfrastructureSettings } from './infrastructure/settings.ts';
import { GATEWAY_INDEXES, InfrastructureFeed } from './infrastructure-feed.ts';
import { Cache, type KubeClient, KubeError, openClient, StatusWriter } from './runtime/index.ts';
import { translatePolicies } from './policies/translate.ts';
import { translateResources } from './resources/translate.ts';
import { SessionReaper } from './session-reaper.ts';
import { createRoleReviewer } from './role-reviewer.ts';
import { KubernetesSource, type TimedTranslation } from './source.ts';
import { createTokenReviewer } from './token-reviewer.ts';
import { INJECTOR, OWN_STATUSES, STATUS_TYPES, WATCHED_KINDS } from './watched-kinds.ts';
import { type Credentials, serveWebhook, type Webhook } from './webhook/server.ts';
import type { EnvVar } from './api/env-var.ts';
import type { InjectorSettings } from './webhook/settings.ts';

export interface KubernetesOptions {
  /** A kubeconfig; absent: `KUBECONFIG`, or the service account of the pod that this runs in. */
  readonly kubeconfig?: string;
  /** Where the control plane is; the kubeconfig's when absent. */
  readonly namespace?: string;
  /** How the pods of Gateways are run; absent: they are not made. */
  readonly gateways?: InfrastructureSettings['defaults'];
  /** Of the environment of sidecars; none when absent. */
  readonly sidecarEnv?: readonly EnvVar[];
  /** Authorities, in PEM, of a certificate that somebody else made; absent: the control plane makes its own. */
  readonly ca?: string;
  /** Whether there is a webhook that puts sidecars beside pods: its configuration is told of the authorities. */
  readonly injects?: boolean;
  readonly log: Logger;
}

export interface Kubernetes {
  readonly review: TokenReviewer;
  readonly rolesOf: RoleReviewer;
  /** Of the control plane's own making; undefined where the options have authorities. */
  readonly certificates: CertificateManager | undefined;
  readonly source: SourceFactory;
  readonly figures: () => KubernetesFigures;
  /**
   * Serves the webhook that puts sidecars beside pods; resolves when the API server trusts it, or has not for a while.
   *
   * @throws Error with the system's code, as EADDRINUSE; RangeError without `gateways` in the options, which have the image.
   */
  serveWebhook(where: Where, credentials: Credentials): Promise<Webhook>;
  /** After the sources are closed. */
  close(): Promise<void>;
}

export interface Where {
  readonly host: string;
  readonly port: number;
}

/** Of the sidecars: where probes and scrapers ask them, and how long their sessions may go on. */
const SIDECAR = { pagesPort: 15_020, drainSeconds: 30 };

/** @throws KubeError: there is no such kubeconfig, or no certificate could be made. Nothing is left behind then. */
export async function openKubernetes(options: KubernetesOptions): Promise<Kubernetes> {
  const { kubeconfig, gateways: defaults, ca, injects = false, log } = options;
  const client = await openClient(kubeconfig === undefined ? {} : { file: kubeconfig });
  const namespace = options.namespace ?? client.namespace;
  const names = ['', `.${namespace}`, `.${namespace}.svc`, `.${namespace}.svc.cluster.local`];
  let certificates: CertificateManager | undefined;
  let owner: OwnerReference | undefined;
  try {
    owner = await installationOf(client);
    if (ca === undefined) {
      certificates = await CertificateManager.open({
        client,
        namespace,
        secret: CONTROL_PLANE.certificateSecret,
        names: names.map((suffix) => `${CONTROL_PLANE.service}${suffix}`),
        log,
      });
    }
  } catch (error) {
    client.close();
    throw error;
  }

  const cache = new Cache({
    client,
    kinds: injects ? new Map([...WATCHED_KINDS, INJECTOR]) : WATCHED_KINDS,
    indexes: {
      ...GATEWAY_INDEXES,
      EndpointSlice: { [BY_SERVICE]: (slice) => [serviceOf(slice) ?? []].flat() },
      Pod: { ...GATEWAY_INDEXES['Pod'], [BY_INJECTION]: injectionOf },
    },
    log,
  });
  const { reader } = cache;
  const authoritiesOfNow = (): string => certificates?.current.ca ?? ca ?? '';
  const closers: (() => Promise<void>)[] = [];
  let queues: ReadonlyMap<string, WorkFigures> = new Map();

  const source: SourceFactory = (host) => {
    const leads = (): boolean => host.leads;
    const writer = new StatusWriter({
      client,
      reader,
      types: STATUS_TYPES,
      owned: OWN_STATUSES,
      controllerName: CONTROLLER_NAME,
      leads,
      log,
    });
    const feed =
      defaults &&
      new InfrastructureFeed({
        client,
        reader,
        settings: { controlPlane: controlPlaneAddress(namespace), defaults },
        leads,
        onFault: () => made.refresh(),
        log,
      });
    const authorities = new Authorities({
      client,
      reader,
      ca: authoritiesOfNow,
      webhook: injects ? CONTROL_PLANE.injector : undefined,
      owner,
      leads,
      log,
    });
    reader.onChange((changes) => {
      feed?.changed(changes);
      authorities.changed(changes);
    });
    host.onLead(() => {
      feed?.refresh();
      authorities.refresh();
    });
    closers.push(
      () => writer.close(),
      ...(feed ? [() => feed.close()] : []),
      () => authorities.close(),
    );
    certificates?.onChange(() => authorities.refresh());

    const reaper = new SessionReaper(client, reader, leads);
    closers.push(() => reaper.close());
    host.onLead(() => reaper.refresh());

    const translate = (from: KubeReader): KubeTranslation & TimedTranslation => {
      const policies = translatePolicies(from);
      const { infrastructure, ...gateways } = translateGateways(from, {
        policies,
        infrastructureFault: (gateway) => feed?.faultOf(gateway),
        podTroubles: (gateway) => feed?.troublesOf(gateway),
      });
      const { expired, nextExpiry, ...resources } = translateResources(from, { policies });
      if (feed) {
        feed.set(infrastructure);
        authorities.set(new Set(infrastructure.map(({ gateway }) => gateway.namespace)));
      }
      reaper.set(expired);
      return {
        objects: [...gateways.objects, ...resources.objects],
        statuses: [...policies.statuses, ...gateways.statuses, ...resources.statuses],
        ...(nextExpiry !== undefined && { again: nextExpiry }),
      };
    };
    const made = new KubernetesSource(host, { cache, writer, translate, log });
    queues = new Map([
      ...Object.entries(made.figures),
      ['statuses', writer.figures],
      ...(feed ? [['gateways', feed.figures] as const] : []),
      ['authorities', authorities.figures],
      ['sessions', reaper.figures],
    ]);
    return made;
  };
  return {
    review: createTokenReviewer(client, reader),
    rolesOf: createRoleReviewer(client, namespace),
    certificates,
    source,
    figures: () => ({ watches: cache.states(), queues }),
    async serveWebhook({ host, port }, credentials) {
      if (defaults === undefined) throw new RangeError('expected the image of sidecars, found none');
      const settings: InjectorSettings = {
        image: defaults.image,
        imagePullPolicy: defaults.imagePullPolicy ?? 'IfNotPresent',
        controlPlane: controlPlaneAddress(namespace),
        audience: CONTROL_PLANE.audience,
        caConfigMap: CONTROL_PLANE.caConfigMap,
        caKey: CONTROL_PLANE.caKey,
        logLevel: defaults.logLevel ?? 'info',
        capture: 'all',
        resources: defaults.resources ?? {},
        env: options.sidecarEnv ?? [],
        ...SIDECAR,
      };
      const webhook = await serveWebhook({ host, port, credentials, settings: () => settings, log });
      await trustedByWebhook(client, CONTROL_PLANE.injector, authoritiesOfNow, log);
      return webhook;
    },
    async close() {
      await Promise.all(closers.map((close) => close()));
      await cache.close();
      await certificates?.close();
      client.close();
    },
  };
}

/** What is made in other namespaces goes with it; undefined where the control plane was not installed as the chart does. */
async function installationOf(client: KubeClient): Promise<OwnerReference | undefined> {
  const name = CONTROL_PLANE.clusterRole;
  try {
    const { apiVersion, kind, metadata } = await client.get(CLUSTER_ROLE, { namespace: '', name });
    return { apiVersion, kind, name, uid: metadata.uid ?? '' };
  } catch (error) {
    if (error instanceof KubeError && (error.code === 404 || error.code === 403)) return undefined;
    throw error;
  }
}
