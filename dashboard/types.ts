/** What the server answers, as the page reads it. */
import type { ObjectStatus, Proxy, SessionFault, TrafficItem } from '../gen/messages.ts';

export interface Fault {
  readonly path: string;
  readonly expected: string;
  readonly found: string;
  readonly line?: number;
}

/** What this server is, and what can be asked of it. */
export interface Server {
  readonly server: 'proxy' | 'controlplane';
  readonly version: string;
  /** Who asks. */
  readonly identity: string;
  /** Whether who asks may change something. */
  readonly admin: boolean;
  readonly topics: readonly string[];
}

export interface Traffic extends TrafficItem {
  readonly rates: Readonly<Record<'opened' | 'failed' | 'bytes_in' | 'bytes_out' | 'connects' | 'connect_ms', number>>;
}

export interface SessionRow {
  readonly id: number;
  readonly name: string;
  readonly listener: string;
  readonly status: string;
  readonly rule: string;
  readonly route: string;
  readonly cluster: string;
  readonly endpoint: string;
  readonly bytes_in: number;
  readonly bytes_out: number;
  /** Bytes a second. */
  readonly rate: number;
  readonly started_at: number;
  readonly ended_at: number;
  readonly reason: string;
  readonly retries: number;
  /** `kernel` or `user`. */
  readonly path: string;
}

export interface Stage {
  readonly origin: string;
  readonly status: string;
  readonly attempts: number;
  readonly endpoint?: { readonly name: string; readonly spec: { readonly address: string; readonly port?: number } };
}

/** A session as the REST API shows it. */
export interface Session {
  readonly name: string;
  readonly metadata: unknown;
  readonly status: string;
  readonly source: { readonly origin: string };
  readonly destination?: Stage;
  readonly ingress: readonly Stage[];
  readonly egress: readonly Stage[];
  readonly events: readonly {
    readonly event: string;
    readonly timestamp: string;
    readonly message: string;
    readonly content: unknown;
  }[];
  readonly rulelist?: string;
  readonly rule?: string;
  readonly route?: string;
  readonly counters: Readonly<
    Record<'ingress' | 'egress', { readonly bytes: number; readonly packets: number; readonly dropped: number }>
  >;
  readonly offload: { readonly state: string; readonly reason?: string };
  readonly retries: number;
  readonly started_at: number;
  readonly ended_at?: number;
  readonly reason?: string;
}

/** An object in the list. Of a proxy: with `reason` and `spec`; of a control plane: with `status`. */
export interface ObjectRow {
  readonly kind: string;
  readonly name: string;
  readonly state?: string;
  readonly source?: string;
  readonly reason?: string;
  readonly spec?: unknown;
  readonly labels?: Readonly<Record<string, string>>;
  readonly revision?: number;
  readonly changed_at?: string;
  readonly status?: ObjectStatus;
  /** Of a file of the folder that can't be taken. */
  readonly file?: string;
  readonly faults?: readonly Fault[];
}

export interface ChangeRow {
  readonly key: { readonly kind: string; readonly name: string };
  readonly action: string;
  readonly diff: string;
  readonly warnings: readonly Fault[];
}

export interface Changes {
  readonly version?: number;
  readonly changes: readonly ChangeRow[];
  readonly warnings: readonly { readonly key: ChangeRow['key']; readonly warnings: readonly Fault[] }[];
}

export type ProxyRow = Proxy;
export type FaultRow = SessionFault & { readonly proxy?: string };

/** What is wrong with a proxy's configuration file, which it has not taken. */
export interface FileFault {
  readonly time: string;
  readonly file: string;
  readonly message: string;
}
