/** What a control plane has counted since it started. */
import { Histogram } from '../../common/histogram.ts';
import type { SpanIds } from '../../common/telemetry/trace-context.ts';
import type { NodeEvent } from '../core/resource.ts';

/** Upper bounds of the time from a push to its answer, in ms. */
const ANSWER_BOUNDS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000];

/** Types that are told apart; a client can name any. */
const MAX_TYPES = 100;
const OTHERS = 'others';

export interface TypeTotals {
  acks: number;
  nacks: number;
  /** From the response to its ACK or NACK. */
  readonly answers: Histogram;
}

export class ControlPlaneTotals {
  /** By type URL. */
  readonly types = new Map<string, TypeTotals>();
  /** Proxies that are connected, by the variant of the protocol. */
  readonly proxies = { delta: 0, sotw: 0 };
  /** Proxies that have connected since the start. */
  connects = 0;
  private readonly variants = new Map<string, 'delta' | 'sotw'>();

  /** `span`: that of an answer which is recorded. */
  readonly observe = (event: NodeEvent, span?: SpanIds): void => {
    switch (event.type) {
      case 'connected':
        this.forget(event.node.id);
        this.variants.set(event.node.id, event.node.variant);
        this.proxies[event.node.variant] += 1;
        this.connects += 1;
        break;
      case 'disconnected':
        this.forget(event.id);
        break;
      case 'ack':
      case 'nack': {
        const totals = this.of(event.typeUrl);
        totals[event.type === 'ack' ? 'acks' : 'nacks'] += 1;
        if (event.elapsedMs !== undefined) totals.answers.add(event.elapsedMs, span);
      }
    }
  };

  private forget(id: string): void {
    const variant = this.variants.get(id);
    if (variant === undefined) return;
    this.variants.delete(id);
    this.proxies[variant] -= 1;
  }

  private of(typeUrl: string): TypeTotals {
    const name = this.types.has(typeUrl) || this.types.size < MAX_TYPES ? typeUrl : OTHERS;
    let totals = this.types.get(name);
    if (totals === undefined) {
      totals = { acks: 0, nacks: 0, answers: new Histogram(ANSWER_BOUNDS) };
      this.types.set(name, totals);
    }
    return totals;
  }
}
