/** Kubernetes' own kinds, as far as they are read. Types only. */
import type { KubeObject } from './object.ts';

export type Protocol = 'TCP' | 'UDP' | 'SCTP';

export interface ServicePort {
  /** Absent where there is one port only. */
  readonly name?: string;
  readonly protocol?: Protocol;
  /** What the port speaks, as in `kubernetes.io/h2c` or `l7mp.io/WebSocket` (KEP-3726). */
  readonly appProtocol?: string;
  readonly port: number;
  /** A number, or the name of a port of the pods; `port` when absent. */
  readonly targetPort?: number | string;
}

export interface ServiceSpec {
  readonly type?: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
  readonly externalName?: string;
  /** `None` for a headless service. */
  readonly clusterIP?: string;
  readonly clusterIPs?: readonly string[];
  /** The first is the one that it prefers. */
  readonly ipFamilies?: readonly ('IPv4' | 'IPv6')[];
  readonly selector?: Readonly<Record<string, string>>;
  readonly ports?: readonly ServicePort[];
}

export interface ServiceStatus {
  readonly loadBalancer?: {
    readonly ingress?: readonly { readonly ip?: string; readonly hostname?: string }[];
  };
}

export type Service = KubeObject<ServiceSpec, ServiceStatus>;

/** discovery.k8s.io/v1; its fields stand beside `metadata`. */
export interface EndpointSlice extends KubeObject<never, never> {
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN';
  readonly endpoints?: readonly SliceEndpoint[] | null;
  readonly ports?: readonly { readonly name?: string; readonly protocol?: Protocol; readonly port?: number }[] | null;
}

export interface SliceEndpoint {
  readonly addresses: readonly string[];
  readonly conditions?: { readonly ready?: boolean; readonly serving?: boolean; readonly terminating?: boolean };
}

/** The label of a slice that names its service. */
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

export interface PodSpec {
  readonly nodeName?: string;
  readonly serviceAccountName?: string;
}

export interface PodStatus {
  readonly phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';
  readonly podIP?: string;
  readonly conditions?: readonly {
    readonly type: string;
    readonly status: string;
    readonly reason?: string;
    readonly message?: string;
  }[];
  readonly containerStatuses?: readonly ContainerStatus[];
}

export interface ContainerStatus {
  readonly name: string;
  readonly state?: { readonly waiting?: { readonly reason?: string; readonly message?: string } };
  readonly lastState?: { readonly terminated?: { readonly exitCode: number; readonly reason?: string } };
}

export type Pod = KubeObject<PodSpec, PodStatus>;

export type Namespace = KubeObject;

export interface Secret extends KubeObject {
  readonly type?: string;
  /** In base64. */
  readonly data?: Readonly<Record<string, string>>;
}

export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** admissionregistration.k8s.io/v1. */
export interface MutatingWebhookConfiguration extends KubeObject {
  /** `caBundle`: the authorities of the server's certificate, PEM in base64. */
  readonly webhooks?: readonly { readonly name: string; readonly clientConfig?: { readonly caBundle?: string } }[];
}
