/** What the webhook gives to each pod: decided by whoever runs the control plane. Types only. */
import type { EnvVar } from '../api/env-var.ts';

export interface InjectorSettings {
  /** Of the proxy's image. */
  readonly image: string;
  readonly imagePullPolicy?: 'Always' | 'IfNotPresent' | 'Never';
  /** Where proxies find the control plane, as in `l7mp-controlplane.l7mp-system:1235`. */
  readonly controlPlane: string;
  /** Of the service account token that the proxy shows there. */
  readonly audience: string;
  /** The ConfigMap of the pod's namespace that has the authorities of the control plane's certificate. */
  readonly caConfigMap: string;
  /** Its key. */
  readonly caKey: string;
  /** Of the proxy's environment, where the pod does not say. */
  readonly env: readonly EnvVar[];
  readonly logLevel: string;
  /** How long sessions may go on after the application has ended, in s; less where the pod's grace period is shorter. */
  readonly drainSeconds: number;
  /** What is captured where the pod does not say. */
  readonly capture: CaptureMode;
  /** Of the container, where the pod does not say: as Kubernetes has them. */
  readonly resources: Resources;
  /** Where probes and scrapers ask the proxy, in the pod. */
  readonly pagesPort: number;
}

export type CaptureMode = 'all' | 'inbound' | 'outbound' | 'none';

export interface Resources {
  readonly requests?: Readonly<Record<string, string>>;
  readonly limits?: Readonly<Record<string, string>>;
}
