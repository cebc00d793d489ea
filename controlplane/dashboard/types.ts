/** What the dashboard's server is given of the other parts: main.ts gives it. Types only. */
import type { SessionFault, SessionsReport } from '../../gen/messages.ts';
import type { TrafficView } from '../../common/web/traffic-rates.ts';
import type { Logger } from '../../common/log.ts';
import type { CallerFacts, Identity } from '../core/identity.ts';
import type { Service } from '../core/rpc.ts';
import type { ReadObjects } from './manifest.ts';

/** What proxies tell of their sessions while somebody watches. */
export interface Board {
  watch(watched: {
    readonly intervalMs: number;
    readonly proxy?: string | undefined;
    readonly sessions?: number;
    readonly details?: readonly string[];
  }): () => void;
  traffic(proxy?: string): {
    readonly items: ReadonlyMap<string, TrafficView>;
    readonly omitted: number;
    readonly reporting: number;
  };
  byProxy(): Iterable<readonly [proxy: string, items: ReadonlyMap<string, TrafficView>]>;
  faults(proxy?: string): readonly (SessionFault & { readonly proxy: string })[];
  sessions(proxy: string): SessionsReport | undefined;
  end(proxy: string, names: readonly string[]): boolean;
}

/** How much there is. */
export type Figures = () => object;

/** What a stream of events is asked for. */
export interface Question {
  readonly intervalMs: number;
  /** Only of this proxy. */
  readonly proxy?: string | undefined;
  /** Sessions whose whole is wanted. */
  readonly details: readonly string[];
}

export interface DashboardOptions {
  /** The configuration service. */
  readonly service: Service;
  readonly board: Board;
  readonly figures: Figures;
  readonly readObjects: ReadObjects;
  readonly authenticate: (facts: CallerFacts) => Identity | Promise<Identity>;
  /** Whether callers show who they are. */
  readonly authenticates: boolean;
  /** Plain text off this machine is wanted. */
  readonly insecure: boolean;
  readonly log: Logger;
}
