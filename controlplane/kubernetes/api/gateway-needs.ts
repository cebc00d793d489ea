/** What a Gateway needs to run: the translation of Gateways says it, and `infrastructure` makes it. Types only. */
import type { Fault } from '../../../common/errors.ts';
import type { Protocol } from './core-kinds.ts';
import type { GatewayParametersSpec } from './gateway-parameters.ts';

export interface GatewayNeeds {
  readonly gateway: {
    readonly apiVersion: string;
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
    /** Of its GatewayClass. */
    readonly className: string;
  };
  /** Those of all its listeners that are not refused, those of ListenerSets too; a port may stand several times. */
  readonly ports: readonly NeededPort[];
  /** `spec.infrastructure`: on everything that is made (GEP-1762). */
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** `spec.addresses`; those without a value, which leave it to us, too. */
  readonly addresses: readonly { readonly type?: string; readonly value?: string }[];
  /** Of the GatewayParameters that the class and the Gateway refer to: the later ones count more. */
  readonly parameters: readonly GatewayParametersSpec[];
}

export interface NeededPort {
  readonly port: number;
  /** What carries it: that of a listener for TLS or HTTP is TCP. */
  readonly protocol: Protocol;
}

/** How it went. */
export interface GatewayOutcome {
  /** Empty: the API server has everything that it needs. */
  readonly faults: readonly Fault[];
}
