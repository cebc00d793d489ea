/** Which sessions a request asks for: those that match, in an order, as many as it wants. */
import { numberOf } from '../../common/web/queries.ts';
import type { SessionStatus, SessionView } from '../core/session.ts';
import { badRequest, HttpError } from '../../common/http-error.ts';

/** The most sessions of one page. */
export const MAX_PAGE = 1000;

export const STATUSES: readonly SessionStatus[] = ['INIT', 'CONNECTED', 'DISCONNECTED', 'FINALIZING', 'DESTROYED'];

type Order = (one: SessionView, other: SessionView) => number;

const byName: Order = (one, other) => (one.name < other.name ? -1 : 1);

/** Numbers from the largest down; where they are the same, by name. */
function most(value: (session: SessionView) => number): Order {
  return (one, other) => value(other) - value(one) || byName(one, other);
}

const byId: Order = (one, other) => one.id - other.id;

export const ORDERS: Readonly<Record<string, Order>> = {
  id: byId,
  name: byName,
  rate: most(({ rate }) => rate),
  packets: most(({ rates }) => rates.ingress.packets + rates.egress.packets),
  bytes: most(({ counters }) => counters.ingress.bytes + counters.egress.bytes),
  age: most(({ elapsed }) => elapsed),
};

export interface SessionPage {
  readonly sessions: readonly SessionView[];
  /** How many match, on whatever page. */
  readonly total: number;
  /** The query of the next page, where there is one. */
  readonly next?: string;
}

/** Without parameters: everything, as it is listed. @throws HttpError 400 where one is wrong. */
export function pageOf(all: Iterable<SessionView>, query: URLSearchParams): SessionPage {
  const listener = query.get('listener');
  const status = oneOf(query, 'status', STATUSES);
  const sort = oneOf(query, 'sort', Object.keys(ORDERS));
  const after = numberOf(query, 'after', 0, Number.MAX_SAFE_INTEGER, badRequest);
  const limit = numberOf(query, 'limit', 1, MAX_PAGE, badRequest);
  const byPage = sort === undefined || sort === 'id';
  if (after !== undefined && !byPage) throw new HttpError(400, `expected after with sort=id, found sort=${sort}`);

  const isLive = oneOf(query, 'live', ['true', 'false']) === 'true';
  const search = query.get('search')?.toLowerCase();
  const matching = [...all].filter(
    (session) =>
      (listener === null || session.listener === listener) &&
      (status === undefined || session.status === status) &&
      (!isLive || session.status !== 'DESTROYED') &&
      (search === undefined || wordsOf(session).some((word) => word?.toLowerCase().includes(search))),
  );
  const isPaged = limit !== undefined || after !== undefined;
  const order = ORDERS[sort ?? (isPaged ? 'id' : '')];
  const rest = after === undefined ? matching : matching.filter(({ id }) => id > after);
  const ordered = order ? rest.sort(order) : rest;
  const sessions = limit === undefined ? ordered : ordered.slice(0, limit);
  const last = sessions.at(-1);
  if (!byPage || last === undefined || sessions.length === rest.length) return { sessions, total: matching.length };
  const next = new URLSearchParams(query);
  next.set('after', String(last.id));
  return { sessions, total: matching.length, next: next.toString() };
}

/** What people look for. */
function wordsOf({ name, listener, route, status, destination }: SessionView): (string | undefined)[] {
  return [
    name,
    listener,
    route,
    status,
    destination?.origin,
    destination?.endpoint?.name,
    destination?.endpoint?.address,
  ];
}

function oneOf<T extends string>(query: URLSearchParams, name: string, values: readonly T[]): T | undefined {
  const found = query.get(name);
  const value = values.find((each) => each.toLowerCase() === found?.toLowerCase());
  if (found === null || value !== undefined) return value;
  throw new HttpError(400, `expected ${name}=${values.join(', ')}, found ${found}`);
}
