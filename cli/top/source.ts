/** What `l7mp top` shows, as the proxy's REST API has it. */
import { type ApiOptions, type ApiRates, type ApiSession, get, getSessions } from '../api.ts';

/** The most sessions that the API lists at once. */
export const MAX_PAGE = 1000;

export const ORDERS = ['rate', 'packets', 'bytes', 'age', 'name'] as const;
export type Order = (typeof ORDERS)[number];

export interface Sum {
  readonly name: string;
  readonly sessions: number;
  readonly rates: ApiRates;
}

/** What moves now. */
export interface Traffic extends Omit<Sum, 'name'> {
  /** Sessions that the kernel relays. */
  readonly kernel: number;
  readonly listeners: readonly Sum[];
  readonly clusters: readonly Sum[];
}

export interface Look {
  /** In ms since the epoch. */
  readonly at: number;
  readonly traffic: Traffic;
  /** The first of those that match, in order. */
  readonly sessions: readonly ApiSession[];
  /** How many match. */
  readonly total: number;
}

export interface Query {
  readonly sort: Order;
  /** What a name or address of a session has in it; empty: anything. */
  readonly filter: string;
  /** The most sessions. */
  readonly limit: number;
}

/** @throws ApiError */
export async function look(options: ApiOptions, { sort, filter, limit }: Query): Promise<Look> {
  const query = new URLSearchParams({ live: 'true', sort, limit: String(Math.min(Math.max(limit, 1), MAX_PAGE)) });
  if (filter !== '') query.set('search', filter);
  // The sums may take a second: sessions are asked for when they are there, so that both are of the same time.
  const traffic = await get<Traffic>(options, '/api/v1/traffic');
  const { items, total } = await getSessions(options, query.toString());
  return { at: Date.now(), traffic, sessions: items, total };
}
