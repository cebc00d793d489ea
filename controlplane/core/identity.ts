/** Who is at the other end of a connection, and what that covers. Types only. */
import type { PeerCertificate } from 'node:tls';

/** What is known of who is connected. */
export interface PeerFacts {
  /** Of TLS, where an authority that is trusted signed it. */
  readonly certificate?: PeerCertificate;
  /** Why the one that was shown doesn't count, as Node.js says it. */
  readonly certificateFault?: string;
  /** As in `10.0.0.1:40000`. */
  readonly peer: string;
  /** It comes from this machine. */
  readonly loopback: boolean;
}

/** What is known of who calls. */
export interface CallerFacts extends PeerFacts {
  /** The method, as in `/l7mp.admin.v1.ConfigService/Apply`. */
  readonly path: string;
  /** Lower-case names. */
  readonly metadata: Readonly<Record<string, string>>;
}

export interface Identity {
  /** For audit lines and history: `token:ci`, `certificate:CN=edge-1`, `loopback`. */
  readonly name: string;
  /** May read and change configuration. */
  readonly admin: boolean;
  /** May read configuration and status. */
  readonly reader: boolean;
  /** What would have given it a role that it has not, for whom it is refused. */
  readonly wanting?: string;
  /** The node identities that it may be as a proxy: exact, or with `*` at the end. Empty: none. */
  readonly nodes: readonly string[];
  /** What the labels of those nodes may be. Absent: whatever they say. */
  readonly labels?: AllowedLabels;
}

export interface AllowedLabels {
  /** By label, the values that it may have: at least one. */
  readonly values: ReadonlyMap<string, readonly string[]>;
  /** Whether a node has no other labels; else it may claim them, with any value. */
  readonly only: boolean;
}

/** Whose a token is that a cluster of Kubernetes gave out to a service account. */
export interface ServiceAccountToken {
  /** `system:serviceaccount:NAMESPACE:NAME`. */
  readonly user: string;
  /** The pod that it is bound to, with what the labels of a proxy in it are. */
  readonly pod?: {
    readonly namespace: string;
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
  };
}

/** What a cluster's own rules let a service account do. */
export type GrantedRoles = Pick<Identity, 'admin' | 'reader' | 'wanting'>;

/** Asks the cluster about a user. @throws Error where it can't be asked. */
export type RoleReviewer = (user: string) => Promise<GrantedRoles>;

/** Asks the cluster; undefined: it is none of its tokens for this control plane. @throws Error where it can't be asked. */
export type TokenReviewer = (token: string) => Promise<ServiceAccountToken | undefined>;
