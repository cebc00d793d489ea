/** Rates of sums: what passed between one report and the next, a second. */
import type { TrafficItem, TrafficReport } from '../../gen/messages.ts';

/** A piece of the topology, with what of it there is a second. */
export interface TrafficView extends TrafficItem {
  readonly rates: Rates;
}

/** What of a piece grows for as long as its proxy runs. */
type Counter = 'opened' | 'failed' | 'bytes_in' | 'bytes_out' | 'bytes_kernel' | 'connects' | 'connect_ms';

export type Rates = Readonly<Record<Counter, number>>;

export const NO_RATES: Rates = mapCounters(() => 0);

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
    const now = {
      at: time === undefined ? Date.now() : Date.parse(time),
      items: new Map(items.map((item) => [trafficKey(item), item])),
    };
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

const COUNTERS = Object.keys(NO_RATES) as Counter[];

/**
 * The pieces of several proxies, summed where they have one key. Where a piece listens is told of one of them; an endpoint's health
 * is the worst.
 */
export function sumTraffic(all: Iterable<ReadonlyMap<string, TrafficView>>): ReadonlyMap<string, TrafficView> {
  const sums = new Map<string, TrafficView>();
  /** Those that are ours to change: most pieces are of one proxy, and stay as they are. */
  const own = new Map<string, Mutable>();
  for (const items of all) {
    for (const [key, item] of items) {
      const known = sums.get(key);
      if (known === undefined) {
        sums.set(key, item);
        continue;
      }
      const sum = own.get(key) ?? { ...known, rates: { ...known.rates } };
      own.set(key, sum);
      sums.set(key, sum);
      add(sum, item);
    }
  }
  return sums;
}

type Mutable = { -readonly [K in keyof TrafficItem]: TrafficItem[K] } & {
  readonly rates: Record<Counter, number>;
};

function add(sum: Mutable, item: TrafficView): void {
  const { rates } = item;
  sum.active += item.active;
  if (item.type === 'endpoint' && sum.detail === 'healthy') sum.detail = item.detail;
  for (const counter of COUNTERS) {
    sum[counter] += item[counter];
    sum.rates[counter] += rates[counter];
  }
}

/** Spelt out: of 50,000 pieces this is most of the work. */
function mapCounters(make: (counter: Counter) => number): Rates {
  return {
    opened: make('opened'),
    failed: make('failed'),
    bytes_in: make('bytes_in'),
    bytes_out: make('bytes_out'),
    bytes_kernel: make('bytes_kernel'),
    connects: make('connects'),
    connect_ms: make('connect_ms'),
  };
}
