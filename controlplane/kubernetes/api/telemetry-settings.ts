/** What listeners tell of their sessions: whoever makes them. Types, and what holds without a policy. */
import type { Json } from '../../../gen/l7mp/config/v1/types.ts';
import type { KubeObject } from './object.ts';

/** The `telemetry` that takes the place of a listener's own; `port` is that of a Gateway's listener. Undefined: its own counts. */
export type TelemetrySettings = (object: KubeObject, port?: number) => Json | undefined;

export const withoutTelemetryPolicies: TelemetrySettings = () => undefined;
