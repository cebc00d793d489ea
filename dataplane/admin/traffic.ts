/** What moves now: in all, by listener, and by cluster. */
import type { Plain } from '../../common/address.ts';
import type { FlowTraffic, OffloadStatus } from '../core/offload.ts';
import type { SessionView } from '../core/session.ts';
import { addTraffic, NO_TRAFFIC } from '../core/traffic.ts';
import { type Context, show } from './context.ts';
import type { Route } from './router.ts';
import { rateView } from './views.ts';

/** Rates of live sessions together. */
interface Sum {
  sessions: number;
  ingress: FlowTraffic;
  egress: FlowTraffic;
}

export function trafficRoutes({ sessions, offload }: Context): Route[] {
  const methods = { GET: (call: Parameters<typeof show>[0]) => show(call, trafficView(sessions.list(), offload())) };
  return [{ path: '/api/v1/traffic', methods }];
}

function trafficView(all: Iterable<SessionView>, offload: OffloadStatus | undefined): Plain {
  const total = newSum();
  const listeners = new Map<string, Sum>();
  const clusters = new Map<string, Sum>();
  for (const session of all) {
    if (session.status === 'DESTROYED') continue;
    add(total, session);
    add(sumOf(listeners, session.listener), session);
    if (session.destination) add(sumOf(clusters, session.destination.origin), session);
  }
  const kernel = (offload?.engine?.flows ?? 0) + (offload?.connections?.engine?.flows ?? 0);
  const { sessions, rates } = sumView(total);
  return { sessions, kernel, rates, listeners: listView(listeners), clusters: listView(clusters) };
}

function newSum(): Sum {
  return { sessions: 0, ingress: NO_TRAFFIC, egress: NO_TRAFFIC };
}

function sumOf(sums: Map<string, Sum>, name: string): Sum {
  let sum = sums.get(name);
  if (!sum) sums.set(name, (sum = newSum()));
  return sum;
}

function add(sum: Sum, { rates: { ingress, egress } }: SessionView): void {
  sum.sessions++;
  sum.ingress = addTraffic(sum.ingress, ingress);
  sum.egress = addTraffic(sum.egress, egress);
}

function sumView({ sessions, ingress, egress }: Sum): { sessions: number; rates: Plain } {
  return { sessions, rates: { ingress: rateView(ingress), egress: rateView(egress) } };
}

/** Those that move the most come first. */
function listView(sums: ReadonlyMap<string, Sum>): Plain[] {
  return [...sums]
    .sort(([, one], [, other]) => other.ingress.bytes + other.egress.bytes - one.ingress.bytes - one.egress.bytes)
    .map(([name, sum]) => ({ name, ...sumView(sum) }));
}
