/** Rates of sums: what passed between one report and the next, a second. */
import type { TrafficItem, TrafficReport } from '../../gen/messages.ts';

/** A piece of the topology, with what of it there is a second. */
export interface TrafficView extends TrafficItem {
  readonly rates: Rates;
}

export interface Rates {
  readonly opened: number;
  readonly failed: number;
  readonly bytes_in: number;
  readonly bytes_out: number;
  readonly bytes_kernel: number;
  readonly connects: number;
  readonly connect_ms: number;
}

const COUNTERS = ['opened', 'failed', 'bytes_in', 'bytes_out', 'bytes_kernel', 'connects', 'connect_ms'] as const;

export const NO_RATES: Rates = {
  opened: 0,
  failed: 0,
  bytes_in: 0,
  bytes_out: 0,
  bytes_kernel: 0,
  connects: 0,
  connect_ms: 0,
};

/** What a piece is called among those of one topology. */
export function trafficKey({ type, listener, rule, route, cluster, endpoint, detail }: TrafficItem): string {
  // What they have for detail may change, but for these, which have nothing else.
  const own = type === 'kernel' || type === 'refusal' ? detail : '';
  return [type, listener, rule, route, cluster, endpoint, own].join('\n');
}

/** Follows the reports of one proxy. */
export class TrafficRates {
  private before: { readonly at: number; readonly items: ReadonlyMap<string, TrafficItem> } | undefined;

  /** The pieces of a report by their keys. Of the first report, and of a piece whose sums began anew, rates are 0. */
  take({ time, items }: TrafficReport): ReadonlyMap<string, TrafficView> {
    const now = { at: time === undefined ? Date.now() : Date.parse(time), items: new Map(items.map((item) => [trafficKey(item), item])) };
    const { before } = this;
    this.before = now;
    const seconds = before === undefined ? 0 : (now.at - before.at) / 1000;
    return new Map(
      [...now.items].map(([key, item]) => {
        const earlier = before?.items.get(key);
        return [key, { ...item, rates: earlier && seconds > 0 ? ratesOf(earlier, item, seconds) : NO_RATES }] as const;
      }),
    );
  }
}

function ratesOf(earlier: TrafficItem, item: TrafficItem, seconds: number): Rates {
  if (item.opened < earlier.opened) return NO_RATES; // it was started again
  return mapCounters((counter) => Math.max(0, item[counter] - earlier[counter]) / seconds);
}

/** The sum of the pieces of several proxies that have one key. Where they listen is told of one; an endpoint's health is the worst. */
export function addTraffic(one: TrafficView, other: TrafficView): TrafficView {
  const health = one.type === 'endpoint' && one.detail === 'healthy' ? other.detail : one.detail;
  return {
    ...one,
    detail: health,
    ...mapCounters((counter) => one[counter] + other[counter]),
    active: one.active + other.active,
    rates: mapCounters((counter) => one.rates[counter] + other.rates[counter]),
  };
}

function mapCounters(make: (counter: (typeof COUNTERS)[number]) => number): Rates {
  return Object.fromEntries(COUNTERS.map((counter) => [counter, make(counter)])) as unknown as Rates;
}
