/** What is known of the control plane: for the REST API and metrics. Types only. */

/** One type of resources. */
export interface ResourceState {
  /** How many are held. */
  readonly resources: number;
  /** Responses that were accepted, and refused in whole or part. */
  readonly acks: number;
  readonly nacks: number;
  /** Of the last response. */
  readonly version: string;
  readonly lastNack?: { readonly at: number; readonly faults: readonly string[] };
}

export interface ControlPlaneState {
  readonly connected: boolean;
  /** Where it is connected, or was tried last. */
  readonly server: string;
  readonly variant: 'delta' | 'sotw';
  /** Since when it is connected, or not any more: ms since the epoch. */
  readonly since: number;
  readonly connects: number;
  readonly lastError: string | undefined;
  /** Whether a first complete configuration is live. */
  readonly ready: boolean;
  /** By kind. */
  readonly types: ReadonlyMap<string, ResourceState>;
}
