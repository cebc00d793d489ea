/** GatewayParameters (l7mp.io/v1): how the proxies of a Gateway are run. Types only; k8s/crds has the schema with its defaults. */
import type { EnvVar } from './env-var.ts';
import type { KubeObject } from './object.ts';

/** What the API server checks by itself, and what is passed on as it is. */
export type Opaque = Readonly<Record<string, unknown>>;

export interface GatewayParametersSpec {
  /** `Deployment` when absent. */
  readonly workload?: 'Deployment' | 'DaemonSet';
  /** Of a Deployment without autoscaling; 2 when absent. */
  readonly replicas?: number;
  readonly image?: string;
  readonly imagePullPolicy?: 'Always' | 'IfNotPresent' | 'Never';
  readonly imagePullSecrets?: readonly { readonly name: string }[];
  readonly resources?: Opaque;
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly tolerations?: readonly Opaque[];
  readonly affinity?: Opaque;
  /** Those without `labelSelector` are about the Gateway's pods. Over nodes, as well as it can be, when absent. */
  readonly topologySpreadConstraints?: readonly Opaque[];
  readonly priorityClassName?: string;
  /** In the network of the node. */
  readonly hostNetwork?: boolean;
  readonly offload?: {
    /** Whether the kernel relays hot sessions; the pods get the capabilities for it. `false` when absent. */
    readonly enabled?: boolean;
    /** All when absent. */
    readonly interfaces?: readonly string[];
  };
  /** Beside what the proxy is told of its pod; those that stand above each other are one, by name. */
  readonly env?: readonly EnvVar[];
  /** Secrets and ConfigMaps of the Gateway's namespace that the proxy has as files; as with `env`, by name. */
  readonly volumes?: readonly GatewayVolume[];
  /** Where; as with `env`, by path. */
  readonly volumeMounts?: readonly GatewayVolumeMount[];
  /** `info` when absent. */
  readonly logLevel?: string;
  readonly accessLog?: {
    /** To the pod's standard output. `false` when absent. */
    readonly enabled?: boolean;
    /** `json`, `text`, or a template with `%NAME%`. */
    readonly format?: string;
  };
  readonly drain?: {
    /** A pod that ends goes on taking sessions for so long, until nobody sends any there; 5 when absent. */
    readonly delaySeconds?: number;
    /** How long its sessions may go on then; 60 when absent. */
    readonly timeoutSeconds?: number;
  };
  readonly service?: GatewayServiceParameters;
  /** Of a Deployment. */
  readonly autoscaling?: {
    /** 2 when absent. */
    readonly minReplicas?: number;
    readonly maxReplicas: number;
    /** Of what is requested, in percent; 80 when absent. */
    readonly targetCPUUtilizationPercentage?: number;
  };
  /** One of them, a number or a percentage. */
  readonly disruptionBudget?: { readonly minAvailable?: number | string; readonly maxUnavailable?: number | string };
}

/** One of both (core/v1 Volume). */
export interface GatewayVolume {
  readonly name: string;
  readonly secret?: Opaque;
  readonly configMap?: Opaque;
}

/** Read-only. */
export interface GatewayVolumeMount {
  readonly name: string;
  readonly mountPath: string;
  readonly subPath?: string;
}

export interface GatewayServiceParameters {
  /** `LoadBalancer` when absent. */
  readonly type?: 'LoadBalancer' | 'NodePort' | 'ClusterIP';
  readonly externalTrafficPolicy?: 'Cluster' | 'Local';
  readonly internalTrafficPolicy?: 'Cluster' | 'Local';
  readonly trafficDistribution?: string;
  readonly loadBalancerClass?: string;
  readonly loadBalancerSourceRanges?: readonly string[];
  readonly allocateLoadBalancerNodePorts?: boolean;
  readonly sessionAffinity?: 'None' | 'ClientIP';
  readonly ipFamilyPolicy?: 'SingleStack' | 'PreferDualStack' | 'RequireDualStack';
  readonly ipFamilies?: readonly ('IPv4' | 'IPv6')[];
  readonly annotations?: Readonly<Record<string, string>>;
}

export type GatewayParameters = KubeObject<GatewayParametersSpec>;
