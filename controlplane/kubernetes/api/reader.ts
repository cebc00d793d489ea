/** What translations read, and what they give: data, so that each is a pure function. Types only. */
import type { ObjectContent } from '../../model/object.ts';
import type {
  ConfigMap,
  EndpointSlice,
  MutatingWebhookConfiguration,
  Namespace,
  Pod,
  Secret,
  Service,
} from './core-kinds.ts';
import type { GatewayKinds } from './gateway-kinds.ts';
import type { InfrastructureKinds } from './infrastructure-kinds.ts';
import type { KubeObject, KubeRef } from './object.ts';
import type { OwnKinds } from './own-kinds.ts';

/** The kinds that are read, by name. */
export interface KubeKinds extends GatewayKinds, InfrastructureKinds, OwnKinds {
  readonly Service: Service;
  readonly EndpointSlice: EndpointSlice;
  readonly Pod: Pod;
  readonly Namespace: Namespace;
  readonly Secret: Secret;
  readonly ConfigMap: ConfigMap;
  readonly MutatingWebhookConfiguration: MutatingWebhookConfiguration;
}

/** What the API server holds, as of one instant. */
export interface KubeReader {
  /** `namespace` is empty for kinds that are cluster-wide. */
  get<Kind extends keyof KubeKinds>(kind: Kind, namespace: string, name: string): KubeKinds[Kind] | undefined;
  /** In no order. */
  list<Kind extends keyof KubeKinds>(kind: Kind): Iterable<KubeKinds[Kind]>;
  /** Whether the API server has the kind at all: Gateway API need not be installed. */
  has(kind: keyof KubeKinds): boolean;
}

/** What is handed to proxies, and what it was made of. */
export interface OwnedContent {
  readonly owner: KubeRef;
  readonly content: ObjectContent;
}

/** How far the configuration objects of a plan are in the proxies that they are for. */
export interface Progress {
  /** Proxies that are connected and have at least one of them to take. */
  readonly selected: number;
  /** Those that took all of them. */
  readonly acked: number;
  /** Those in which all of them serve. */
  readonly serving: number;
  /** What control plane and proxies say is wrong, as `PROXY: OBJECT: what`; the first ones. */
  readonly failures: readonly string[];
}

/** The status of one object: the same input gives the same plan, so that who writes it can skip what is equal. */
export interface StatusPlan {
  readonly ref: KubeRef;
  /** Ids (`Listener/NAME`) of the configuration objects whose progress it tells. */
  readonly objects: readonly string[];
  /**
   * The `status` subresource. Conditions have no `lastTransitionTime`: the writer keeps that of an equal one. Of lists that others
   * write to (`parents` of routes, `ancestors` of policies) it has our entries only: the writer keeps those of others.
   */
  render(progress: Progress): Readonly<Record<string, unknown>>;
}

export interface KubeTranslation {
  readonly objects: readonly OwnedContent[];
  readonly statuses: readonly StatusPlan[];
}

export function refOf({ kind, metadata }: KubeObject): KubeRef {
  return { kind, namespace: metadata.namespace ?? '', name: metadata.name };
}
