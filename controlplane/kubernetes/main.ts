/** What the control plane has of Kubernetes: its parts are made and joined here. */
import type { Logger } from '../../common/log.ts';
import type { TokenReviewer } from '../core/identity.ts';
import type { SourceFactory } from '../model/source.ts';
import { CONTROL_PLANE, CONTROLLER_NAME, controlPlaneAddress } from './api/names.ts';
import type { KubeReader, KubeTranslation } from './api/reader.ts';
import { Authorities, BY_INJECTION, injectionOf } from './authorities.ts';
import { CertificateManager } from './certificates/manager.ts';
import { BY_SERVICE, serviceOf } from './endpoints-feed.ts';
import { translateGateways } from './gateway/translate.ts';
import type { InfrastructureSettings } from './infrastructure/settings.ts';
import { GATEWAY_INDEXES, InfrastructureFeed } from './infrastructure-feed.ts';
import { Cache, openClient, StatusWriter } from './runtime/index.ts';
import { translateResources } from './resources/translate.ts';
import { SessionReaper } from './session-reaper.ts';
import { KubernetesSource, type TimedTranslation } from './source.ts';
import { createTokenReviewer } from './token-reviewer.ts';
import { OWN_STATUSES, STATUS_TYPES, WATCHED_KINDS } from './watched-kinds.ts';

export interface KubernetesOptions {
  /** A kubeconfig; absent: `KUBECONFIG`, or the service account of the pod that this runs in. */
  readonly kubeconfig?: string;
  /** Where the control plane is; the kubeconfig's when absent. */
  readonly namespace?: string;
  /** How the pods of Gateways are run; absent: they are not made. */
  readonly gateways?: InfrastructureSettings['defaults'];
  /** Authorities, in PEM, of a certificate that somebody else made; absent: the control plane makes its own. */
  readonly ca?: string;
  /** The MutatingWebhookConfiguration that is told of the authorities. */
  readonly webhook?: string;
  readonly log: Logger;
}

export interface Kubernetes {
  readonly review: TokenReviewer;
  /** Of the control plane's own making; undefined where the options have authorities. */
  readonly certificates: CertificateManager | undefined;
  readonly source: SourceFactory;
  /** After the sources are closed. */
  close(): Promise<void>;
}

/** @throws KubeError: there is no such kubeconfig, or no certificate could be made. Nothing is left behind then. */
export async function openKubernetes(options: KubernetesOptions): Promise<Kubernetes> {
  const { kubeconfig, gateways: defaults, ca, webhook, log } = options;
  const client = await openClient(kubeconfig === undefined ? {} : { file: kubeconfig });
  const namespace = options.namespace ?? client.namespace;
  const names = ['', `.${namespace}`, `.${namespace}.svc`, `.${namespace}.svc.cluster.local`];
  let certificates: CertificateManager | undefined;
  try {
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
    kinds: WATCHED_KINDS,
    indexes: {
      ...GATEWAY_INDEXES,
      EndpointSlice: { [BY_SERVICE]: (slice) => [serviceOf(slice) ?? ''].filter((service) => service !== '') },
      Pod: { [BY_INJECTION]: injectionOf },
    },
    log,
  });
  const { reader } = cache;
  const closers: (() => Promise<void>)[] = [];

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
        log,
      });
    const authorities = new Authorities({
      client,
      reader,
      ca: () => certificates?.current.ca ?? ca ?? '',
      namespaces: () => feed?.namespaces ?? new Set(),
      webhook,
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
      const { infrastructure, ...gateways } = translateGateways(from);
      const { expired, nextExpiry, ...resources } = translateResources(from);
      feed?.set(infrastructure);
      authorities.refresh();
      reaper.set(expired);
      return {
        objects: [...gateways.objects, ...resources.objects],
        statuses: [...gateways.statuses, ...resources.statuses],
        ...(nextExpiry !== undefined && { again: nextExpiry }),
      };
    };
    return new KubernetesSource(host, { cache, writer, translate, log });
  };
  return {
    review: createTokenReviewer(client, reader),
    certificates,
    source,
    async close() {
      await Promise.all(closers.map((close) => close()));
      await cache.close();
      await certificates?.close();
      client.close();
    },
  };
}
