/** What is known of Gateways and their listeners while they are translated. Types only. */
import type { AnyRoute, Gateway, GatewayListener, ListenerSet, RouteKind } from '../api/gateway-kinds.ts';
import type { Secret } from '../api/core-kinds.ts';
import type { GatewayParametersSpec } from '../api/gateway-parameters.ts';
import type { KeyPair } from './certificates.ts';
import type { ListenerProtocol } from './protocols.ts';
import type { Verdict } from '../api/verdict.ts';

export interface UsedKeyPair extends KeyPair {
  readonly secret: Secret;
}

/** How clients of a port's HTTPS listeners are to show who they are. */
export interface ClientValidation {
  /** PEM text; absent where no reference could be resolved. */
  readonly authorities?: string;
  /** Clients may show none, or one that is not valid. */
  readonly insecure: boolean;
  readonly unresolved?: Verdict;
}

/** A route as a listener has it. */
export interface Attachment {
  readonly route: AnyRoute;
  /** The names of the listener that are the route's; `*` for all. */
  readonly hostnames: readonly string[];
}

/** Why a listener can't be served beside another. */
export interface Conflict extends Verdict {
  /** What the port is to do for both is not supported at all: no kind of route is. */
  readonly isUnsupported?: boolean;
}

export interface ListenerState {
  readonly owner: Gateway | ListenerSet;
  readonly spec: GatewayListener;
  /** Absent where it is unknown. */
  readonly protocol?: ListenerProtocol;
  readonly passthrough: boolean;
  /** In lower case; `*` for all. */
  readonly hostname: string;
  /** What may attach: what the protocol takes, and the listener allows. */
  readonly kinds: readonly RouteKind[];
  readonly certificates: readonly UsedKeyPair[];
  readonly validation?: ClientValidation;
  /** Why it is not accepted, conflicts aside. */
  readonly refused?: Verdict;
  readonly unresolved?: Verdict;
  /** Whether it can't be served though it is accepted: what it refers to is missing. */
  readonly incomplete: boolean;
  /** Set once all listeners of the Gateway are known. */
  conflict?: Conflict;
  /** Routes that are accepted. */
  readonly attached: Attachment[];
  readonly attachedKinds: Set<string>;
}

export interface ListenerSetState {
  readonly set: ListenerSet;
  /** Why it is not attached: its listeners count for nothing. */
  readonly refused?: Verdict;
  readonly listeners: readonly ListenerState[];
}

export interface GatewayState {
  readonly gateway: Gateway;
  /** Of its class, then its own. */
  readonly parameters: readonly GatewayParametersSpec[];
  /** Why it is not accepted, whatever its listeners. */
  readonly refused?: Verdict;
  /** What it refers to by itself and can't have. */
  readonly unresolved?: Verdict;
  /** What it shows to backends. */
  readonly clientCertificate?: UsedKeyPair;
  readonly listeners: readonly ListenerState[];
  readonly sets: readonly ListenerSetState[];
}

/** Whether a listener is accepted: it is valid, and conflicts with none. */
export function isAccepted({ refused, conflict }: ListenerState): boolean {
  return refused === undefined && conflict === undefined;
}

/** Whether a listener can be served. */
export function isServed(listener: ListenerState): boolean {
  return isAccepted(listener) && !listener.incomplete;
}

/** Those of the Gateway, then those of the sets that are attached to it. */
export function allListeners({ listeners, sets }: GatewayState): ListenerState[] {
  return [...listeners, ...sets.flatMap((set) => set.listeners)];
}
