/** What policies say, for those who translate what they are attached to. Types, and what holds without policies. */
import type { MirrorBackend } from '../../../gen/l7mp/kubernetes/v1/types.ts';
import type { Referrer } from './grants.ts';
import type { Plain } from './plain.ts';

/** What a policy may be attached to, or a part of it. */
export interface PolicyTarget {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** Of a port, a listener or a rule. */
  readonly section?: string | undefined;
}

/** A copy of sessions that a policy asks for. */
export interface MirrorWish {
  readonly backendRef: MirrorBackend;
  readonly percent: number;
  /** The policy: its namespace must be allowed to refer to that of the Service. */
  readonly from: Referrer;
}

/** What TrafficPolicies say, by whom it is for. */
export interface TrafficSettings {
  /** Fields of clusters, `persistence` among them, which has no key yet. */
  readonly cluster: Plain;
  /** Fields of routes. */
  readonly route: Plain;
  /** Fields of the options of listeners. */
  readonly listener: Plain;
  /** Absent: they say nothing of it. */
  readonly mirrors?: readonly MirrorWish[];
}

export interface Policies {
  /** By TrafficPolicies of these targets: of those that say the same field, the later one counts. */
  readonly traffic: (targets: readonly PolicyTarget[]) => TrafficSettings;
  /** The `offload` of the last of these targets that has an OffloadPolicy. */
  readonly offload: (targets: readonly PolicyTarget[]) => Plain | undefined;
  /** The `telemetry` of the last of these targets that has a TelemetryPolicy. */
  readonly telemetry: (targets: readonly PolicyTarget[]) => Plain | undefined;
}

const NOTHING: TrafficSettings = { cluster: {}, route: {}, listener: {} };

export const withoutPolicies: Policies = {
  traffic: () => NOTHING,
  offload: () => undefined,
  telemetry: () => undefined,
};

/** A target by one text, which no other has. */
export function targetKey({ kind, namespace, name, section = '' }: PolicyTarget): string {
  return `${kind} ${namespace}/${name}/${section}`;
}

/** An object, and then the part of it where one is meant: the less specific first. */
export function targetsOf(
  {
    kind,
    metadata,
  }: { readonly kind: string; readonly metadata: { readonly namespace?: string; readonly name: string } },
  section: string | undefined,
): PolicyTarget[] {
  const whole = { kind, namespace: metadata.namespace ?? '', name: metadata.name };
  return section === undefined || section === '' ? [whole] : [whole, { ...whole, section }];
}
