/** What rules, routes and clusters are made with, and in which order rules are asked. Types only. */
import type { Service } from '../api/core-kinds.ts';
import type { Gateway } from '../api/gateway-kinds.ts';
import type { Policies } from '../api/policies.ts';
import type { Backends } from './backends.ts';
import type { Output } from './output.ts';
import type { RuleScope, Scope } from './policy-scopes.ts';
import type { UsedKeyPair } from './state.ts';
import type { Usage } from './usage.ts';

/** What routes are made with for some proxies: those of a Gateway, or sidecars. */
export interface Making {
  /** Whose is what is no route's: the parent. */
  readonly owner: Gateway | Service;
  /** What is shown to backends. */
  readonly clientCertificate?: UsedKeyPair | undefined;
  readonly output: Output;
  readonly backends: Backends;
  readonly usage: Usage;
  readonly policies: Policies;
  /** Whom it is made for. */
  readonly scope: Scope;
  /** Rules that are made already, by scope and route: several listeners have the same routes. */
  readonly made: Map<string, readonly RankedRule[]>;
}

/** The same for one rule of a route. */
export interface RuleMaking extends Making {
  readonly rule: RuleScope;
}

/** A rule of the proxy, and where it stands in the order in which rules are asked (see `byRank`). */
export interface RankedRule {
  readonly name: string;
  readonly rank: readonly number[];
}
