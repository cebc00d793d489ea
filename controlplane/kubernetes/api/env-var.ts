/** A variable of a container's environment (core/v1 EnvVar). Types only. */

export interface EnvVar {
  readonly name: string;
  /** `$(NAME)` stands for a variable before it; empty when both are absent. */
  readonly value?: string;
  readonly valueFrom?: EnvVarSource;
}

/** One of them. */
export interface EnvVarSource {
  readonly secretKeyRef?: KeyReference;
  readonly configMapKeyRef?: KeyReference;
  readonly fieldRef?: { readonly apiVersion?: string; readonly fieldPath: string };
}

/** Of the pod's namespace. */
export interface KeyReference {
  readonly name: string;
  readonly key: string;
  /** Whether the pod starts without it, too. */
  readonly optional?: boolean;
}
